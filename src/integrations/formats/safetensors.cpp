#include "integrations/formats/safetensors.hpp"

#include "integrations/formats/json_walk.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace llmm::formats {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::string_view kMetadataKey = "__metadata__";

struct Dtype {
    std::string_view name;
    std::uint64_t bits;
};

// enum Dtype of tensor.rs.
constexpr Dtype kDtypes[] = {
    {"BOOL", 8},        {"U8", 8},          {"I8", 8},      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},
    {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},        {"F32", 32},    {"I64", 64},    {"U64", 64},    {"F64", 64},
    {"C64", 64},        {"F4", 4},          {"F6_E2M3", 6}, {"F6_E3M2", 6},
};

struct Range {
    std::uint64_t begin;
    std::uint64_t end;
    friend auto operator<=>(const Range&, const Range&) = default;
};

// One tensor's entry while it is read.
struct Entry {
    const Dtype* dtype = nullptr;
    bool has_shape = false;
    std::uint64_t elements = 1;
    std::array<std::uint64_t, 2> offsets{};
    std::size_t offset_count = 0;
};

// Collects the tensors' places; the walk guards depth and duplicate keys.
class HeaderVisitor final : public JsonVisitor {
  public:
    void open(Path path, bool is_array) override {
        if (path.size() <= 1 && is_array)
            return invalid("the header is not an object of objects", "文件头不是由对象组成的对象");
        if (path.size() == 1) {
            entry_ = {};
            if (path[0] != kMetadataKey && ++tensor_count_ > kSafetensorsMaxTensors) {
                problem_ = {ProblemKind::unsupported,
                            Text::format("the header lists more than {} tensors", "文件头列出的张量超过 {} 个",
                                         kSafetensorsMaxTensors)};
            }
            return;
        }
        if (path.size() < 2) return;
        if (path[0] == kMetadataKey)
            return invalid("the metadata holds something other than strings", "元数据中包含非字符串的值");
        if (!is_known_field(path)) return;
        if (path.size() != 2 || !is_array || path[1] == "dtype") return bad_field(path);
        if (path[1] == "shape") entry_.has_shape = true;
    }

    void close(Path path) override {
        if (path.size() == 1 && path[0] != kMetadataKey) finish_tensor(path[0]);
    }

    void scalar(Path path, const JsonScalar& value) override {
        if (path.size() < 2) return invalid("the header is not an object of objects", "文件头不是由对象组成的对象");
        if (path[0] == kMetadataKey) {
            if (!std::holds_alternative<std::string_view>(value)) {
                invalid("the metadata holds something other than strings", "元数据中包含非字符串的值");
            }
            return;
        }
        if (!is_known_field(path)) return;
        const auto* number = std::get_if<std::uint64_t>(&value);
        if (path.size() == 2 && path[1] == "dtype") return set_dtype(path, value);
        if (path.size() != 3 || !number) return bad_field(path);
        if (path[1] == "shape") return add_dimension(path, *number);
        if (entry_.offset_count >= 2) return bad_field(path);
        entry_.offsets[entry_.offset_count++] = *number;
    }

    const std::optional<FormatProblem>& problem() const override { return problem_; }

    // Whether the tensors fill the data from its first to its last byte; the total, then.
    std::optional<std::uint64_t> finish() {
        std::ranges::sort(ranges_);
        std::uint64_t end = 0;
        for (const Range& range : ranges_) {
            if (range.begin != end) {
                invalid(range.begin > end ? "there is a hole between two tensors" : "two tensors overlap",
                        range.begin > end ? "两个张量之间有空洞" : "两个张量相互重叠");
                return std::nullopt;
            }
            end = range.end;
        }
        return end;
    }

    void describe(SafetensorsHeader& header) {
        std::ranges::sort(shares_, [](const DtypeShare& a, const DtypeShare& b) {
            return std::tie(b.parameters, a.dtype) < std::tie(a.parameters, b.dtype);
        });
        header.tensor_count = tensor_count_;
        header.parameter_count = parameter_count_;
        header.dtypes = std::move(shares_);
    }

  private:
    static bool is_known_field(Path path) {
        return path.size() >= 2 && (path[1] == "dtype" || path[1] == "shape" || path[1] == "data_offsets");
    }
    void invalid(std::string_view en, std::string_view zh) {
        if (!problem_) problem_ = {ProblemKind::invalid, Text{std::string(en), std::string(zh)}};
    }
    void bad_field(Path path) {
        if (problem_) return;
        problem_ = {ProblemKind::invalid, Text::format("the tensor \"{}\" has a wrong {}", "张量 \"{}\" 的 {} 有误",
                                                       for_message(path[0]), for_message(path[1]))};
    }

    void set_dtype(Path path, const JsonScalar& value) {
        const auto* name = std::get_if<std::string_view>(&value);
        if (!name) return bad_field(path);
        const auto* found = std::ranges::find(kDtypes, *name, &Dtype::name);
        if (found != std::end(kDtypes)) {
            entry_.dtype = found;
            return;
        }
        problem_ = {ProblemKind::unsupported,
                    Text::format("the tensor \"{}\" has the unknown type \"{}\"", "张量 \"{}\" 的类型 \"{}\" 未知",
                                 for_message(path[0]), for_message(*name))};
    }

    void add_dimension(Path path, std::uint64_t length) {
        if (__builtin_mul_overflow(entry_.elements, length, &entry_.elements)) bad_field(path);
    }

    void finish_tensor(const std::string& name) {
        const auto bad = [&](std::string_view en, std::string_view zh) {
            problem_ = {ProblemKind::invalid,
                        {fmt::format("the tensor \"{}\" {}", for_message(name), en),
                         fmt::format("张量 \"{}\" {}", for_message(name), zh)}};
        };
        if (!entry_.dtype || !entry_.has_shape || entry_.offset_count != 2) {
            return bad("lacks its type, shape or place", "缺少类型、形状或位置");
        }
        const auto [begin, end] = entry_.offsets;
        std::uint64_t bits = 0;
        if (__builtin_mul_overflow(entry_.elements, entry_.dtype->bits, &bits) || bits % 8 != 0 || end < begin ||
            end - begin != bits / 8) {
            return bad("does not have the size that its shape needs", "的大小与其形状不符");
        }
        ranges_.push_back({begin, end});
        // Can't overflow without the ranges, which hold at least a bit for each, overlapping or leaving the
        // file.
        if (__builtin_add_overflow(parameter_count_, entry_.elements, &parameter_count_)) {
            return bad("makes the file larger than any can be", "使文件大小超出可能范围");
        }
        count_dtype(*entry_.dtype, entry_.elements);
    }

    void count_dtype(const Dtype& dtype, std::uint64_t elements) {
        auto share = std::ranges::find(shares_, dtype.name, &DtypeShare::dtype);
        if (share == shares_.end()) share = shares_.insert(shares_.end(), DtypeShare{std::string(dtype.name)});
        ++share->tensors;
        share->parameters += elements;
    }

    Entry entry_;
    std::vector<Range> ranges_;
    std::vector<DtypeShare> shares_;
    std::uint64_t tensor_count_ = 0;
    std::uint64_t parameter_count_ = 0;
    std::optional<FormatProblem> problem_;
};

bool walk_header(ByteCursor& in, std::uint64_t size, HeaderVisitor& visitor) {
    JsonWalk walk(visitor, {.depth = kSafetensorsMaxDepth, .key_bytes = kSafetensorsMaxNameBytes});
    for (std::uint64_t left = size; left > 0;) {
        const std::uint64_t piece = std::min<std::uint64_t>(left, kPieceBytes);
        const std::string text = in.text(piece);
        if (!in.ok()) return false;
        if (left == size && text[0] != '{') {
            in.fail(ProblemKind::invalid, Text{"the header does not begin with {", "文件头不是以 { 开头"});
            return false;
        }
        if (!walk.feed(text)) break;
        left -= piece;
    }
    if (walk.finish()) return true;
    in.fail(walk.problem().kind, walk.problem().message);
    return false;
}

void check_size(ByteCursor& in, std::uint64_t required) {
    const auto size = in.file_size();
    if (!size || *size == required) return;
    if (*size < required) {
        in.fail(ProblemKind::truncated,
                Text::format("the file has {} bytes, its tensors need {}", "文件只有 {} 字节，其张量需要 {} 字节",
                             *size, required),
                required);
    } else {
        in.fail(ProblemKind::invalid, Text::format("the file has {} bytes more than its tensors",
                                                   "文件比其张量多出 {} 字节", *size - required));
    }
}

}  // namespace

std::expected<SafetensorsHeader, FormatProblem> read_safetensors(const ByteSource& source) {
    ByteCursor in(source, kLengthBytes + kSafetensorsMaxHeaderBytes);
    SafetensorsHeader header;
    HeaderVisitor visitor;
    const auto size = in.number<std::uint64_t>();
    if (in.ok() && size > kSafetensorsMaxHeaderBytes) {
        in.fail(ProblemKind::unsupported,
                Text::format("the header claims {} bytes, more than {}", "文件头声称有 {} 字节，超过 {} 的上限", size,
                             kSafetensorsMaxHeaderBytes));
    }
    if (in.ok() && size < 2) in.fail(ProblemKind::invalid, Text{"the header is empty", "文件头为空"});
    // Only a header that is there in full is walked, so that a growing file is not parsed again and again.
    if (in.require(size) && walk_header(in, size, visitor)) {
        const std::optional<std::uint64_t> data_size = visitor.finish();
        if (!data_size) {
            in.fail(visitor.problem()->kind, visitor.problem()->message);
        } else if (__builtin_add_overflow(in.position(), *data_size, &header.required_size)) {
            in.fail(ProblemKind::invalid,
                    Text{"the tensors are larger than any file can be", "张量大小超出任何文件的可能"});
        } else {
            check_size(in, header.required_size);
        }
    }
    if (!in.ok()) return std::unexpected(in.problem());
    header.data_offset = in.position();
    visitor.describe(header);
    return header;
}

}  // namespace llmm::formats
