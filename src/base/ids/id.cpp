#include "base/ids/id.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>

#include <sodium.h>

namespace llmm {

namespace {

// Ids are no secrets: they may share one question to the system for many.
std::uint32_t random_bits() {
    thread_local std::array<std::uint32_t, 256> bits;
    thread_local std::size_t left = 0;
    if (left == 0) {
        randombytes_buf(bits.data(), sizeof bits);
        left = bits.size();
    }
    return bits[--left];
}

}  // namespace

std::string make_uuid_v7() {
    // 42 random bits are kept for a millisecond and counted up within it, so that ids of one thread keep their order.
    thread_local std::uint64_t last_ms = 0;
    thread_local std::uint64_t counter = 0;
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    const auto now_ms =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
    if (now_ms > last_ms) {
        last_ms = now_ms;
        counter = std::uint64_t{random_bits()} << 32 | random_bits();
        counter &= (std::uint64_t{1} << 41) - 1;  // the top bit is left free for counting
    } else {
        ++counter;  // also when the clock was set back: order matters more than the time stamp
    }

    std::array<unsigned char, 16> bytes{};
    const std::uint32_t tail = random_bits();
    std::memcpy(bytes.data() + 12, &tail, sizeof tail);
    for (int i = 0; i < 6; ++i)
        bytes[i] = static_cast<unsigned char>(last_ms >> (40 - 8 * i));
    bytes[6] = static_cast<unsigned char>(0x70 | ((counter >> 38) & 0x0f));
    bytes[7] = static_cast<unsigned char>(counter >> 30);
    bytes[8] = static_cast<unsigned char>(0x80 | ((counter >> 24) & 0x3f));
    bytes[9] = static_cast<unsigned char>(counter >> 16);
    bytes[10] = static_cast<unsigned char>(counter >> 8);
    bytes[11] = static_cast<unsigned char>(counter);

    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += kHex[bytes[i] >> 4];
        text += kHex[bytes[i] & 0x0f];
    }
    return text;
}

bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !hex) return false;
    }
    return true;
}

}  // namespace llmm
