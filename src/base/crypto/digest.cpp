#include "base/crypto/digest.hpp"

#include "base/error/error.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

namespace llmm {
namespace {

std::string to_hex(std::span<const unsigned char> bytes) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const unsigned char byte : bytes) {
        text += kHex[byte >> 4];
        text += kHex[byte & 0x0f];
    }
    return text;
}

struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

Context start(const EVP_MD* algorithm) {
    Context context(EVP_MD_CTX_new());
    if (!context || EVP_DigestInit_ex(context.get(), algorithm, nullptr) != 1) {
        fail(ErrorCode::internal, "the digest could not be started", "无法开始计算摘要");
    }
    return context;
}

std::string finish_hex(EVP_MD_CTX* context) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context, bytes.data(), &size);
    return to_hex(std::span(bytes).first(size));
}

}  // namespace

std::optional<Sha256> Sha256::parse(std::string_view text) {
    constexpr std::string_view kPrefix = "sha256:";
    if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
    if (text.size() != 64) return std::nullopt;
    std::string hex;
    hex.reserve(64);
    for (const char c : text) {
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
            hex += c;
        } else if (c >= 'A' && c <= 'F') {
            hex += static_cast<char>(c - 'A' + 'a');
        } else {
            return std::nullopt;
        }
    }
    return Sha256(std::move(hex));
}

Sha256 Sha256::of(std::span<const std::byte> data) {
    Sha256Stream stream;
    stream.update(data);
    return stream.finish();
}

Sha256 Sha256::of(std::string_view data) {
    return of(std::as_bytes(std::span(data)));
}

struct Sha256Stream::State {
    Context context = start(EVP_sha256());
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(std::span<const std::byte> data) {
    EVP_DigestUpdate(state_->context.get(), data.data(), data.size());
}

Sha256 Sha256Stream::finish() {
    return Sha256(finish_hex(state_->context.get()));
}

std::string git_blob_sha1(std::span<const std::byte> content) {
    const Context context = start(EVP_sha1());
    const std::string header = fmt::format("blob {}", content.size());
    EVP_DigestUpdate(context.get(), header.c_str(), header.size() + 1);  // the NUL belongs to it
    EVP_DigestUpdate(context.get(), content.data(), content.size());
    return finish_hex(context.get());
}

}  // namespace llmm
