#include "fuzz/fuzz_target.hpp"
#include "integrations/formats/gguf.hpp"

namespace {

using namespace llmm::formats;
using llmm::fuzz::check;
using Result = std::expected<GgufHeader, FormatProblem>;

Result read(std::span<const std::byte> data, std::optional<std::uint64_t> file_size = {}) {
    return read_gguf(MemorySource(data, file_size));
}

void check_header(std::span<const std::byte> data, const GgufHeader& header) {
    check(header.data_offset % header.alignment == 0, "tensor data is aligned");
    check(header.tensor_count == 0 || header.required_size >= header.data_offset, "tensors lie behind the header");
    check(header.parameter_count >= header.tensor_count, "no tensor is empty");
    const std::uint64_t size = header.required_size;
    check(read(data, size) == header, "the file's least size is enough");
    const Result shorter = read(data, size - 1);
    check(!shorter && shorter.error().kind == ProblemKind::truncated, "a byte less is too short");
}

}  // namespace

LLMM_FUZZ_TARGET(gguf)(std::span<const std::byte> data) {
    const Result whole = read(data);
    if (whole) {
        check_header(data, *whole);
    } else {
        check(!whole.error().message.en.empty() && !whole.error().message.zh.empty(), "a problem has a message");
        if (whole.error().kind == ProblemKind::incomplete) {
            check(whole.error().needed_bytes > data.size(), "more bytes are asked for");
        }
    }
    const auto beginning = read_gguf_beginning(MemorySource(data));
    check(!whole || beginning == *whole, "a whole header is a beginning, too");
    // A beginning either can't tell yet or comes to the same result.
    const Result half = read(data.first(data.size() / 2));
    check(half == whole || (!half && half.error().kind == ProblemKind::incomplete),
          "more bytes don't change a verdict");
}
