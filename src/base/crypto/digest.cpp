#include "base/crypto/digest.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <nettle/sha2.h>

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

// nettle's, for its state is a documented plain struct; OpenSSL 3 keeps its own to itself (docs/decisions/0005).
struct Sha256Stream::State {
    State() { sha256_init(&context); }
    sha256_ctx context;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(std::span<const std::byte> data) {
    sha256_update(&state_->context, data.size(), reinterpret_cast<const std::uint8_t*>(data.data()));
}

Sha256 Sha256Stream::finish() {
    std::array<unsigned char, SHA256_DIGEST_SIZE> bytes;
    sha256_digest(&state_->context, bytes.size(), bytes.data());
    return Sha256(to_hex(bytes));
}

std::optional<Sha256Stream::Midstate> Sha256Stream::midstate() const {
    const sha256_ctx& context = state_->context;
    if (context.index != 0) return std::nullopt;
    Midstate midstate{.bytes = context.count * SHA256_BLOCK_SIZE, .words = {}};
    std::copy_n(context.state, midstate.words.size(), midstate.words.begin());
    return midstate;
}

Sha256Stream Sha256Stream::from(const Midstate& midstate) {
    Sha256Stream stream;
    sha256_ctx& context = stream.state_->context;
    std::copy(midstate.words.begin(), midstate.words.end(), context.state);
    context.count = midstate.bytes / SHA256_BLOCK_SIZE;
    return stream;
}

std::string git_blob_sha1(std::span<const std::byte> content) {
    const Context context = start(EVP_sha1());
    const std::string header = fmt::format("blob {}", content.size());
    EVP_DigestUpdate(context.get(), header.c_str(), header.size() + 1);  // the NUL belongs to it
    EVP_DigestUpdate(context.get(), content.data(), content.size());
    return finish_hex(context.get());
}

}  // namespace llmm
