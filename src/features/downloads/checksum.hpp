#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace llmm::downloads {

// XXH3, 64 bits: finds what a disk lost or changed, at memory speed. It proves nothing against an attacker; SHA-256
// of the whole does.
class Checksum {
  public:
    Checksum();
    ~Checksum();
    Checksum(Checksum&&) noexcept;
    Checksum& operator=(Checksum&&) noexcept;

    void add(std::span<const std::byte> data);
    std::uint64_t value() const;  // of what was added so far; more may follow
    static std::uint64_t of(std::span<const std::byte> data);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace llmm::downloads
