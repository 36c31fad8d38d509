// An https server on loopback with a certificate of its own making.
#pragma once

#include <memory>
#include <string>

namespace dray::test {

struct Certificate {
  std::string certificate_pem;  // also its own authority
  std::string key_pem;
};
/// Valid for one hour, for the DNS name or IPv4 address `subject`.
Certificate self_signed(const std::string& subject);

/// Answers every request with 200 and `body`.
class TlsServer {
 public:
  TlsServer(const Certificate& certificate, std::string body);
  ~TlsServer();
  std::string url() const;  // "https://127.0.0.1:PORT"
  int connections() const;  // accepted so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray::test
