#include "fuzz/fuzz_target.hpp"
#include "integrations/docker/log_frames.hpp"

namespace {

std::string read(std::string_view bytes, std::size_t piece) {
    llmm::docker::LogFrames frames;
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        text += frames.take(bytes.substr(at, piece));
    return text;
}

}  // namespace

LLMM_FUZZ_TARGET(docker_log)(std::span<const std::byte> data) {
    const std::string_view bytes = llmm::fuzz::as_text(data);
    const std::string whole = read(bytes, bytes.size() + 1);
    llmm::fuzz::check(whole.size() <= bytes.size(), "more text than bytes");
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{8}})
        llmm::fuzz::check(read(bytes, piece) == whole, "the pieces of a log must not matter");
}
