#include "fuzz/fuzz_target.hpp"
#include "integrations/formats/safetensors.hpp"
#include "integrations/formats/safetensors_index.hpp"

namespace {

using namespace llmm::formats;
using llmm::fuzz::check;
using Result = std::expected<SafetensorsHeader, FormatProblem>;

Result read(std::span<const std::byte> data, std::optional<std::uint64_t> file_size = {}) {
    return read_safetensors(MemorySource(data, file_size));
}

void check_header(std::span<const std::byte> data, const SafetensorsHeader& header) {
    std::uint64_t tensors = 0, parameters = 0;
    for (const DtypeShare& share : header.dtypes) {
        tensors += share.tensors;
        parameters += share.parameters;
    }
    check(tensors == header.tensor_count && parameters == header.parameter_count, "the shares make the whole");
    check(header.required_size >= header.data_offset, "tensors lie behind the header");
    check(read(data, header.required_size) == header, "the exact size is right");
    const Result shorter = read(data, header.required_size - 1);
    check(!shorter && shorter.error().kind == ProblemKind::truncated, "a byte less is too short");
    if (header.required_size + 1 != 0) check(!read(data, header.required_size + 1), "a byte more belongs to nobody");
}

void check_index(std::string_view text) {
    const auto index = read_safetensors_index(text);
    if (!index) return;
    check(!index->files.empty() && index->files.size() <= index->tensor_count, "every file has a tensor");
    for (const llmm::SafePath& file : index->files) {
        check(llmm::SafePath::parse(file.str()).has_value(), "names are harmless");
    }
}

}  // namespace

LLMM_FUZZ_TARGET(safetensors)(std::span<const std::byte> data) {
    const Result whole = read(data);
    if (whole) {
        check_header(data, *whole);
    } else if (whole.error().kind == ProblemKind::incomplete) {
        check(whole.error().needed_bytes > data.size(), "more bytes are asked for");
    }
    const Result half = read(data.first(data.size() / 2));
    check(half == whole || (!half && half.error().kind == ProblemKind::incomplete),
          "more bytes don't change a verdict");
    check_index(llmm::fuzz::as_text(data));
}
