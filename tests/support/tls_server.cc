#include "tests/support/tls_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>
#include <utility>

namespace dray::test {

namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Freer<Free>>;

void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  check(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1,
        "X509 extension");
}

/// What `write` puts into a memory BIO.
template <typename Write>
std::string pem(Write write) {
  const Owned<BIO, BIO_free> memory(BIO_new(BIO_s_mem()));
  check(write(memory.get()) == 1, "PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

Certificate self_signed(const std::string& subject) {
  const Owned<EVP_PKEY, EVP_PKEY_free> key(EVP_EC_gen("P-256"));
  const Owned<X509, X509_free> certificate(X509_new());
  check(key != nullptr && certificate != nullptr, "key");
  X509* const cert = certificate.get();
  X509_set_version(cert, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key.get());
  X509_NAME* const name = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert, name);
  in_addr address{};
  const bool is_address = ::inet_pton(AF_INET, subject.c_str(), &address) == 1;
  add_extension(cert, NID_subject_alt_name, (is_address ? "IP:" : "DNS:") + subject);
  add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
  check(X509_sign(cert, key.get(), EVP_sha256()) > 0, "signature");
  return {pem([&](BIO* out) { return PEM_write_bio_X509(out, cert); }), pem([&](BIO* out) {
            return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

struct TlsServer::Impl {
  std::string body;
  MHD_Daemon* daemon = nullptr;
  std::atomic<int> connections = 0;

  static void connected(void* self, MHD_Connection*, void**, MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) ++static_cast<Impl*>(self)->connections;
  }
  static MHD_Result answer(void* self, MHD_Connection* connection, const char*, const char*,
                           const char*, const char*, std::size_t*, void** seen) {
    std::string& body = static_cast<Impl*>(self)->body;
    if (*seen == nullptr) {  // an answer to the first call would end the connection
      *seen = self;
      return MHD_YES;
    }
    MHD_Response* response =
        MHD_create_response_from_buffer(body.size(), body.data(), MHD_RESPMEM_PERSISTENT);
    const MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
  }
};

TlsServer::TlsServer(const Certificate& certificate, std::string body)
    : impl_(std::make_unique<Impl>()) {
  impl_->body = std::move(body);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  impl_->daemon = MHD_start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, nullptr, nullptr, &Impl::answer,
      impl_.get(), MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_HTTPS_MEM_KEY,
      certificate.key_pem.c_str(), MHD_OPTION_HTTPS_MEM_CERT, certificate.certificate_pem.c_str(),
      MHD_OPTION_NOTIFY_CONNECTION, &Impl::connected, impl_.get(), MHD_OPTION_END);
  check(impl_->daemon != nullptr, "TLS server");
}

TlsServer::~TlsServer() { MHD_stop_daemon(impl_->daemon); }

int TlsServer::connections() const { return impl_->connections; }

std::string TlsServer::url() const {
  const MHD_DaemonInfo* info = MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_BIND_PORT);
  return "https://127.0.0.1:" + std::to_string(info->port);
}

}  // namespace dray::test
