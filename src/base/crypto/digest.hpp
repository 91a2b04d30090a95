#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace llmm {

// A SHA-256 that is certainly 64 lower-case hex digits: safe as a file name, comparable with any other.
class Sha256 {
  public:
    // Exactly 64 hex digits (either case); a leading "sha256:" is allowed. Nothing else passes.
    static std::optional<Sha256> parse(std::string_view text);
    static Sha256 of(std::span<const std::byte> data);
    static Sha256 of(std::string_view data);

    const std::string& hex() const { return hex_; }
    friend auto operator<=>(const Sha256&, const Sha256&) = default;

  private:
    friend class Sha256Stream;
    explicit Sha256(std::string hex) : hex_(std::move(hex)) {}
    std::string hex_;
};

// Hashes data that comes in pieces. One owner, no thread of its own.
class Sha256Stream {
  public:
    Sha256Stream();
    ~Sha256Stream();
    Sha256Stream(Sha256Stream&&) noexcept;
    Sha256Stream& operator=(Sha256Stream&&) noexcept;

    void update(std::span<const std::byte> data);
    Sha256 finish();  // the stream can't be used afterwards

    // The state between two blocks of 64 bytes, from which hashing can go on in another process. nullopt at any other
    // place.
    struct Midstate {
        std::uint64_t bytes = 0;
        std::array<std::uint32_t, 8> words{};
    };
    std::optional<Midstate> midstate() const;
    static Sha256Stream from(const Midstate& midstate);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// git's name for a file's content: SHA-1 of "blob <size>\0<content>", 40 hex digits. The only checksum that the
// HuggingFace hub gives for files outside LFS.
std::string git_blob_sha1(std::span<const std::byte> content);

}  // namespace llmm
