#include "framework/io/compact/zstd.h"

#include <zstd.h>

#include <memory>

#include "framework/core/check.h"

namespace espalier {
namespace {

constexpr std::string_view magic = "\x28\xb5\x2f\xfd";
constexpr int level = 19;  // the slowest that needs no large window to be read; a network takes milliseconds

std::size_t checked(std::size_t result) {
  require(!ZSTD_isError(result), "[zstd] {}", ZSTD_getErrorName(result));
  return result;
}

}  // namespace

bool is_zstd(std::string_view bytes) { return bytes.starts_with(magic); }

std::string zstd_compress(std::span<const std::string_view> parts) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  checked(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level));
  checked(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1));
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  checked(ZSTD_CCtx_setPledgedSrcSize(context.get(), size));
  std::string out(ZSTD_compressBound(size) + 64 * (parts.size() + 1), '\0');  // with the heads of more blocks
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  for (const std::string_view part : parts) {
    if (part.empty()) continue;
    ZSTD_inBuffer from{part.data(), part.size(), 0};
    require(checked(ZSTD_compressStream2(context.get(), &to, &from, ZSTD_e_flush)) == 0,
            "[zstd] the output of {} bytes was too small", out.size());
  }
  ZSTD_inBuffer nothing{nullptr, 0, 0};
  require(checked(ZSTD_compressStream2(context.get(), &to, &nothing, ZSTD_e_end)) == 0,
          "[zstd] the output of {} bytes was too small", out.size());
  out.resize(to.pos);
  return out;
}

std::string zstd_decompress(std::string_view bytes, const std::filesystem::path& path) {
  const auto damaged = [&](std::string_view what) {
    fail(ExitCode::checkpoint, "{}: not a valid zstd file: {}. Copy or write it again", path.string(), what);
  };
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  // In pieces: a damaged head may claim any size, so memory is taken only for what has been decompressed.
  std::string out, piece(ZSTD_DStreamOutSize(), '\0');
  ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
  for (std::size_t left = 1; left != 0;) {
    ZSTD_outBuffer to{piece.data(), piece.size(), 0};
    const std::size_t before = from.pos;
    left = ZSTD_decompressStream(context.get(), &to, &from);
    if (ZSTD_isError(left)) damaged(ZSTD_getErrorName(left));
    if (left != 0 && to.pos == 0 && from.pos == before)
      damaged(fmt::format("it ends after {} bytes, in the middle of its data", bytes.size()));
    out.append(piece.data(), to.pos);
  }
  if (from.pos != from.size) damaged(fmt::format("{} bytes follow its end", from.size - from.pos));
  return out;
}

}  // namespace espalier
