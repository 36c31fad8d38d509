// A listening socket on loopback for what no HTTP server would do.
#pragma once

#include <string>
#include <string_view>

#include "dray/base/file.h"

namespace dray::test {

/// Listens without accepting: peers connect and their bytes wait in the kernel.
class RawSocket {
 public:
  /// At most about `backlog` connections wait; the kernel leaves later ones unanswered.
  /// `receive_buffer`: bytes of a connection that the kernel takes in unread; 0 = as it likes.
  explicit RawSocket(int backlog = 16, int receive_buffer = 0);
  std::string url() const;  // "http://127.0.0.1:PORT"
  /// A connection to this socket, as a client has it.
  Fd connect() const;
  /// The next connection; blocks.
  Fd accept() const;

 private:
  Fd fd_;
  int port_ = 0;
};

/// A connection to a server of this machine; who reads from it gives up after 30 s.
Fd connect_to_port(int port);
/// Reads up to and with the empty line that ends a request's head, and nothing behind it.
std::string read_head(const Fd& fd);
/// Reads until the peer ends the connection.
void drain(const Fd& fd);
/// … and gives what came.
std::string read_to_end(const Fd& fd);
void send_text(const Fd& fd, std::string_view text);

}  // namespace dray::test
