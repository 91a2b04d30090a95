#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// One target a file, named as the file: url_fuzz.cpp holds
//
//     LLMM_FUZZ_TARGET(url)(std::span<const std::byte> data) { ... }
//
// and tests/fuzz/corpus/url/ its inputs. With LLMM_FUZZ it becomes the program fuzz-url; in unit-tests
// every file of the corpus is run through it, so that what a fuzzer found once stays found.
namespace llmm::fuzz {

struct Target {
    std::string name;
    void (*run)(std::span<const std::byte>);
};

// Those of this program, filled while it starts.
inline std::vector<Target>& targets() {
    static std::vector<Target> all;
    return all;
}

inline bool add_target(std::string name, void (*run)(std::span<const std::byte>)) {
    targets().push_back({std::move(name), run});
    return true;
}

// For invariants: ends a fuzzer's run with the input kept, and fails the replay test.
inline void check(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

inline std::string_view as_text(std::span<const std::byte> data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

}  // namespace llmm::fuzz

#ifdef LLMM_FUZZ_MAIN
#define LLMM_FUZZ_TARGET(name)                                                          \
    static void llmm_fuzz_##name(std::span<const std::byte>);                           \
    extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
        llmm_fuzz_##name(std::as_bytes(std::span(data, size)));                         \
        return 0;                                                                       \
    }                                                                                   \
    static void llmm_fuzz_##name
#else
#define LLMM_FUZZ_TARGET(name)                                                                                    \
    static void llmm_fuzz_##name(std::span<const std::byte>);                                                     \
    [[maybe_unused]] static const bool llmm_fuzz_added_##name = llmm::fuzz::add_target(#name, &llmm_fuzz_##name); \
    static void llmm_fuzz_##name
#endif
