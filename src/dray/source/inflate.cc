// gzip (RFC 1952, also several members in a row) and Zstandard (RFC 8878).
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <climits>

#include "dray/base/error.h"
#include "dray/source/layer_stream.h"

namespace dray {

namespace {

class Gzip final : public Inflater {
 public:
  explicit Gzip(std::string what) : what_(std::move(what)) {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  std::size_t next(Bytes& input, MutableBytes out) override {
    while (!input.empty() || more_) {
      // pigz and others write one member after another; zeros behind the last are padding.
      if (member_over_ && !more_) {
        if (input.front() != std::byte{0x1f}) {
          input = {};
          return 0;
        }
        if (inflateReset(&stream_) != Z_OK) throw std::bad_alloc();
        member_over_ = false;
      }
      const auto give = static_cast<uInt>(std::min<std::size_t>(input.size(), UINT_MAX));
      const auto room = static_cast<uInt>(std::min<std::size_t>(out.size(), UINT_MAX));
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
      stream_.avail_in = give;
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = room;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      input = input.subspan(give - stream_.avail_in);
      more_ = stream_.avail_out == 0 && result != Z_STREAM_END;
      if (result == Z_STREAM_END)
        member_over_ = true;
      else if (result != Z_OK && result != Z_BUF_ERROR)
        throw Error(Code::malformed, "this is no gzip data").on("inflate", what_);
      if (const std::size_t made = room - stream_.avail_out; made > 0) return made;
      if (result == Z_BUF_ERROR) return 0;
    }
    return 0;
  }
  bool ended() const override { return member_over_; }

 private:
  const std::string what_;
  z_stream stream_{};
  bool member_over_ = false;
  bool more_ = false;  // the room was too small for what it holds
};

class Zstd final : public Inflater {
 public:
  explicit Zstd(std::string what) : what_(std::move(what)), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, 27);  // 128 MiB, what `zstd` itself takes
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  std::size_t next(Bytes& input, MutableBytes out) override {
    if (input.empty() && frame_over_) return 0;
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos == 0) {
      const std::size_t before = in.pos;
      const std::size_t result = ZSTD_decompressStream(stream_, &to, &in);
      if (ZSTD_isError(result) != 0)
        throw Error(Code::malformed,
                    std::string("this is no Zstandard data: ") + ZSTD_getErrorName(result))
            .on("inflate", what_);
      if (in.pos == before && to.pos == 0) break;
      frame_over_ = result == 0;
      if (in.pos == in.size && to.pos == 0) break;
    }
    input = input.subspan(in.pos);
    return to.pos;
  }
  bool ended() const override { return frame_over_; }

 private:
  const std::string what_;
  ZSTD_DStream* stream_;
  bool frame_over_ = false;
};

}  // namespace

std::unique_ptr<Inflater> make_inflater(LayerCompression compression, const std::string& what) {
  if (compression == LayerCompression::zstd) return std::make_unique<Zstd>(what);
  return std::make_unique<Gzip>(what);
}

}  // namespace dray
