#include "framework/data/hash.h"

#include <openssl/evp.h>

#include <array>

namespace espalier {

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  require(context_->evp && EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) == 1,
          "[hash] OpenSSL cannot start a SHA-256");
}
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::uint8_t> bytes) {
  require(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) == 1,
          "[hash] OpenSSL failed in SHA-256");
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  require(EVP_DigestFinal_ex(context_->evp, digest.data(), nullptr) == 1, "[hash] OpenSSL failed in SHA-256");
  std::string text;
  for (unsigned byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  return hash.hex();
}

std::string hash_images(const ImageSet& train, const ImageSet& test) {
  Sha256 hash;
  for (const ImageSet* set : {&train, &test}) {
    hash.add(set->pixels);
    for (const Index number : set->numbers) set->pictures->pictures().identify(number, hash);
    std::vector<std::uint8_t> labels;
    labels.reserve(set->labels.size() * 4);
    for (const std::int32_t label : set->labels)
      for (int shift = 0; shift < 32; shift += 8)
        labels.push_back(static_cast<std::uint8_t>(static_cast<std::uint32_t>(label) >> shift));
    hash.add(labels);
  }
  return hash.hex();
}

}  // namespace espalier
