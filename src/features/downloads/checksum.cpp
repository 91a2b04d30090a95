#include "features/downloads/checksum.hpp"

#include <new>
#include <xxhash.h>

namespace llmm::downloads {

struct Checksum::State {
    struct Free {
        void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
    };
    std::unique_ptr<XXH3_state_t, Free> xxh{XXH3_createState()};
};

Checksum::Checksum() : state_(std::make_unique<State>()) {
    if (!state_->xxh) throw std::bad_alloc();
    XXH3_64bits_reset(state_->xxh.get());
}
Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;

void Checksum::add(std::span<const std::byte> data) {
    XXH3_64bits_update(state_->xxh.get(), data.data(), data.size());
}

std::uint64_t Checksum::value() const {
    return XXH3_64bits_digest(state_->xxh.get());
}

std::uint64_t Checksum::of(std::span<const std::byte> data) {
    return XXH3_64bits(data.data(), data.size());
}

}  // namespace llmm::downloads
