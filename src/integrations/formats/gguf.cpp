#include "integrations/formats/gguf.hpp"

#include "integrations/formats/gguf_tables.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <map>
#include <unordered_set>

namespace llmm::formats {
namespace {

// enum gguf_type.
enum class ValueType : std::uint32_t {
    uint8 = 0,
    int8 = 1,
    uint16 = 2,
    int16 = 3,
    uint32 = 4,
    int32 = 5,
    float32 = 6,
    boolean = 7,
    string = 8,
    array = 9,
    uint64 = 10,
    int64 = 11,
    float64 = 12,
};

// 0: not of a fixed size, or no type at all.
std::uint64_t size_of(ValueType type) {
    switch (type) {
        case ValueType::uint8:
        case ValueType::int8:
        case ValueType::boolean:
            return 1;
        case ValueType::uint16:
        case ValueType::int16:
            return 2;
        case ValueType::uint32:
        case ValueType::int32:
        case ValueType::float32:
            return 4;
        case ValueType::uint64:
        case ValueType::int64:
        case ValueType::float64:
            return 8;
        case ValueType::string:
        case ValueType::array:
            return 0;
    }
    return 0;
}

constexpr std::uint64_t kStringLengthBytes = 8;
// key length, a key of one byte, type, value of one byte
constexpr std::uint64_t kLeastPairBytes = 8 + 1 + 4 + 1;
// name length, a name of one byte, dimension count, type, offset
constexpr std::uint64_t kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;

// The strings worth keeping, by their whole key.
constexpr std::string_view kKeptStrings[] = {"general.architecture", "general.name", "general.type", "general.license",
                                             "tokenizer.chat_template"};
// The integers worth keeping, by what follows the first dot: those of a model are "<architecture>.<name>",
// and the architecture may be told after them.
constexpr std::string_view kKeptIntegers[] = {"file_type",
                                              "no",
                                              "count",
                                              "tensors.count",
                                              "context_length",
                                              "block_count",
                                              "embedding_length",
                                              "feed_forward_length",
                                              "attention.head_count",
                                              "attention.head_count_kv",
                                              "attention.key_length",
                                              "attention.value_length",
                                              "attention.sliding_window",
                                              "expert_count",
                                              "expert_used_count"};
constexpr std::string_view kTokensKey = "tokenizer.ggml.tokens";
constexpr std::string_view kMergesKey = "tokenizer.ggml.merges";
constexpr std::string_view kAlignmentKey = "general.alignment";

bool contains(const auto& range, const auto& value) {
    return std::ranges::find(range, value) != std::end(range);
}

bool is_kept_integer(std::string_view key) {
    const std::size_t dot = key.find('.');
    return dot != key.npos && contains(kKeptIntegers, key.substr(dot + 1));
}

// Rounds up to a multiple of a power of two; nullopt when that doesn't fit.
std::optional<std::uint64_t> align_up(std::uint64_t value, std::uint64_t alignment) {
    std::uint64_t sum = 0;
    if (__builtin_add_overflow(value, alignment - 1, &sum)) return std::nullopt;
    return sum & ~(alignment - 1);
}

class GgufReader {
  public:
    explicit GgufReader(const ByteSource& source) : in_(source, kGgufMaxHeaderBytes) {}

    std::expected<GgufHeader, FormatProblem> read() {
        read_counts();
        read_pairs();
        if (in_.ok()) describe_model();
        read_tensors();
        if (in_.ok()) place_data();
        if (!in_.ok()) return std::unexpected(in_.problem());
        return std::move(header_);
    }

    std::optional<GgufHeader> read_beginning() {
        read_counts();
        read_pairs();
        if (!in_.ok() && (in_.problem().kind != ProblemKind::incomplete || !header_.vocabulary_size))
            return std::nullopt;
        describe_model();
        return std::move(header_);
    }

  private:
    void invalid(Text message) { in_.fail(ProblemKind::invalid, std::move(message)); }
    void unsupported(Text message) { in_.fail(ProblemKind::unsupported, std::move(message)); }

    void read_counts() {
        if (in_.text(4) != "GGUF" && in_.ok()) {
            return invalid(Text{"the file does not begin with GGUF", "文件不是以 GGUF 开头"});
        }
        header_.version = in_.number<std::uint32_t>();
        if (!in_.ok()) return;
        if ((header_.version & 0xffff) == 0 && header_.version != 0) {
            return unsupported(Text{"the file is in big-endian byte order; only little-endian GGUF files can be used",
                                    "该文件采用大端字节序；仅支持小端 GGUF 文件"});
        }
        if (header_.version != 2 && header_.version != 3) {
            return unsupported(Text::format("GGUF version {} is not supported, only 2 and 3",
                                            "不支持 GGUF 版本 {}，仅支持 2 和 3", header_.version));
        }
        header_.tensor_count = in_.number<std::uint64_t>();
        pair_count_ = in_.number<std::uint64_t>();
        if (!in_.ok()) return;
        if (header_.tensor_count > kGgufMaxTensors) {
            return unsupported(Text::format("the file claims {} tensors, more than {}",
                                            "文件声称有 {} 个张量，超过 {} 的上限", header_.tensor_count,
                                            kGgufMaxTensors));
        }
        if (pair_count_ > kGgufMaxPairs) {
            return unsupported(Text::format("the file claims {} metadata entries, more than {}",
                                            "文件声称有 {} 条元数据，超过 {} 的上限", pair_count_, kGgufMaxPairs));
        }
        // Both counts are small now, so this doesn't overflow. A short file fails before anything is set
        // aside for it.
        if (const auto size = in_.file_size();
            size && *size < in_.position() + pair_count_ * kLeastPairBytes + header_.tensor_count * kLeastTensorBytes) {
            in_.fail(ProblemKind::truncated,
                     Text{"the file is too short for what its header counts", "文件过短，容纳不下文件头声明的内容"});
        }
    }

    void read_pairs() {
        std::unordered_set<std::string> keys;
        for (std::uint64_t i = 0; i < pair_count_ && in_.ok(); ++i) {
            const std::string key = read_key();
            if (!in_.ok()) return;
            if (!keys.insert(key).second) {
                return invalid(Text::format("the metadata key \"{}\" appears twice", "元数据键 \"{}\" 重复出现",
                                            for_message(key)));
            }
            read_value(key, in_.number<std::uint32_t>());
        }
    }

    std::string read_key() {
        const auto size = in_.number<std::uint64_t>();
        if (!in_.ok()) return {};
        if (size == 0) invalid(Text{"a metadata key is empty", "存在空的元数据键"});
        if (size > kGgufMaxKeyBytes) {
            unsupported(Text::format("a metadata key has {} bytes, more than {}", "元数据键长 {} 字节，超过 {} 的上限",
                                     size, kGgufMaxKeyBytes));
        }
        if (!in_.ok()) return {};
        std::string key = in_.text(size);
        // The specification wants lower_snake.dotted; architecture names in use also have hyphens and
        // capitals.
        if (!std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; })) {
            invalid(Text::format("the metadata key \"{}\" is not plain ASCII", "元数据键 \"{}\" 不是纯 ASCII",
                                 for_message(key)));
        }
        return key;
    }

    void read_value(const std::string& key, std::uint32_t type_id) {
        if (!in_.ok()) return;
        const auto type = static_cast<ValueType>(type_id);
        if (type_id > static_cast<std::uint32_t>(ValueType::float64)) {
            return invalid(Text::format("the metadata entry \"{}\" has the unknown type {}",
                                        "元数据 \"{}\" 的类型 {} 未知", for_message(key), type_id));
        }
        if (key == kAlignmentKey) return read_alignment(type);
        if (type == ValueType::array) return read_array(key);
        if (type == ValueType::string) {
            const bool keep = contains(kKeptStrings, std::string_view(key));
            if (auto text = read_string(keep)) strings_.emplace(key, std::move(*text));
            return;
        }
        const std::optional<std::uint64_t> integer = read_scalar(type);
        if (integer && is_kept_integer(key)) integers_.emplace(key, *integer);
    }

    void read_alignment(ValueType type) {
        if (type != ValueType::uint32) {
            return invalid(
                Text{"general.alignment is not a 32-bit unsigned integer", "general.alignment 不是 32 位无符号整数"});
        }
        const auto alignment = in_.number<std::uint32_t>();
        if (!in_.ok()) return;
        if (!std::has_single_bit(alignment) || alignment < kGgufMinAlignment || alignment > kGgufMaxAlignment) {
            return invalid(Text::format("general.alignment is {}; it must be a power of two from {} to {}",
                                        "general.alignment 为 {}；必须是 {} 到 {} 之间的 2 的幂", alignment,
                                        kGgufMinAlignment, kGgufMaxAlignment));
        }
        header_.alignment = alignment;
    }

    // The text if it is to be kept and not too long for that.
    std::optional<std::string> read_string(bool keep) {
        const auto size = in_.number<std::uint64_t>();
        if (!in_.ok()) return std::nullopt;
        if (size > kGgufMaxStringBytes) {
            unsupported(Text::format("a metadata string has {} bytes, more than {}",
                                     "元数据字符串长 {} 字节，超过 {} 的上限", size, kGgufMaxStringBytes));
            return std::nullopt;
        }
        if (!keep || size > kGgufMaxKeptStringBytes) {
            in_.skip(size);
            return std::nullopt;
        }
        return in_.text(size);
    }

    // The value if it is an integer and not negative.
    std::optional<std::uint64_t> read_scalar(ValueType type) {
        switch (type) {
            case ValueType::uint8:
                return in_.number<std::uint8_t>();
            case ValueType::uint16:
                return in_.number<std::uint16_t>();
            case ValueType::uint32:
                return in_.number<std::uint32_t>();
            case ValueType::uint64:
                return in_.number<std::uint64_t>();
            case ValueType::int8:
                return not_negative(static_cast<std::int8_t>(in_.number<std::uint8_t>()));
            case ValueType::int16:
                return not_negative(static_cast<std::int16_t>(in_.number<std::uint16_t>()));
            case ValueType::int32:
                return not_negative(static_cast<std::int32_t>(in_.number<std::uint32_t>()));
            case ValueType::int64:
                return not_negative(static_cast<std::int64_t>(in_.number<std::uint64_t>()));
            case ValueType::boolean:
                if (in_.number<std::uint8_t>() > 1)
                    invalid(Text{"a boolean is neither 0 nor 1", "布尔值既不是 0 也不是 1"});
                return std::nullopt;
            case ValueType::float32:
            case ValueType::float64:
            case ValueType::string:
            case ValueType::array:
                in_.skip(size_of(type));
                return std::nullopt;
        }
        return std::nullopt;
    }

    static std::optional<std::uint64_t> not_negative(std::int64_t value) {
        if (value < 0) return std::nullopt;
        return static_cast<std::uint64_t>(value);
    }

    void read_array(const std::string& key) {
        const auto type_id = in_.number<std::uint32_t>();
        const auto count = in_.number<std::uint64_t>();
        if (!in_.ok()) return;
        const auto type = static_cast<ValueType>(type_id);
        if (type_id > static_cast<std::uint32_t>(ValueType::float64) || type == ValueType::array) {
            return invalid(Text::format("the array \"{}\" has elements of type {}, which arrays can't hold",
                                        "数组 \"{}\" 的元素类型 {} 无效", for_message(key), type_id));
        }
        if (count > kGgufMaxArrayElements) {
            return unsupported(Text::format("the array \"{}\" claims {} elements, more than {}",
                                            "数组 \"{}\" 声称有 {} 个元素，超过 {} 的上限", for_message(key), count,
                                            kGgufMaxArrayElements));
        }
        if (key == kTokensKey) header_.vocabulary_size = count;
        if (key == kMergesKey) header_.merge_count = count;
        // Up to 2^30 elements of at most 8 bytes: no overflow.
        const std::uint64_t least = count * (type == ValueType::string ? kStringLengthBytes : size_of(type));
        if (!in_.require(least)) return;
        if (type == ValueType::string) {
            for (std::uint64_t i = 0; i < count && in_.ok(); ++i)
                read_string(false);
        } else if (is_kept_integer(key)) {
            keep_largest(key, type, count);
        } else {
            in_.skip(least);
        }
    }

    void keep_largest(const std::string& key, ValueType type, std::uint64_t count) {
        std::optional<std::uint64_t> largest;
        for (std::uint64_t i = 0; i < count && in_.ok(); ++i) {
            const auto value = read_scalar(type);
            if (i > 0 && value != largest) header_.varies_by_layer = true;
            largest = std::max(largest, value);
        }
        if (largest) integers_.emplace(key, *largest);
    }

    std::optional<std::uint64_t> integer(const std::string& key) const {
        const auto found = integers_.find(key);
        if (found == integers_.end()) return std::nullopt;
        return found->second;
    }
    std::optional<std::string> string(const std::string& key) const {
        const auto found = strings_.find(key);
        if (found == strings_.end()) return std::nullopt;
        return found->second;
    }

    void describe_model() {
        header_.architecture = string("general.architecture");
        header_.name = string("general.name");
        header_.type = string("general.type");
        header_.license = string("general.license");
        header_.chat_template = string("tokenizer.chat_template");
        if (const auto file_type = integer("general.file_type")) header_.quantization = quantization_name(*file_type);
        if (const auto count = integer("split.count")) {
            header_.split = GgufSplit{integer("split.no").value_or(0), *count, integer("split.tensors.count")};
        }
        if (!header_.architecture) return;
        const std::string prefix = *header_.architecture + ".";
        header_.context_length = integer(prefix + "context_length");
        header_.block_count = integer(prefix + "block_count");
        header_.embedding_length = integer(prefix + "embedding_length");
        header_.feed_forward_length = integer(prefix + "feed_forward_length");
        header_.head_count = integer(prefix + "attention.head_count");
        header_.head_count_kv = integer(prefix + "attention.head_count_kv");
        header_.key_length = integer(prefix + "attention.key_length");
        header_.value_length = integer(prefix + "attention.value_length");
        header_.sliding_window = integer(prefix + "attention.sliding_window");
        header_.expert_count = integer(prefix + "expert_count");
        header_.expert_used_count = integer(prefix + "expert_used_count");
    }

    void read_tensors() {
        std::unordered_set<std::string> names;
        for (std::uint64_t i = 0; i < header_.tensor_count && in_.ok(); ++i) {
            std::string name = read_tensor_name();
            if (!in_.ok()) return;
            read_tensor(name);
            if (!in_.ok()) return;
            if (const auto [other, added] = names.insert(std::move(name)); !added) {
                return invalid(
                    Text::format("the tensor \"{}\" appears twice", "张量 \"{}\" 重复出现", for_message(*other)));
            }
        }
    }

    std::string read_tensor_name() {
        const auto size = in_.number<std::uint64_t>();
        if (!in_.ok()) return {};
        if (size == 0 || size > kGgufMaxTensorNameBytes) {
            invalid(Text::format("a tensor name has {} bytes; 1 to {} are allowed",
                                 "张量名长 {} 字节；允许 1 到 {} 字节", size, kGgufMaxTensorNameBytes));
            return {};
        }
        return in_.text(size);
    }

    void read_tensor(const std::string& name) {
        const auto dimensions = in_.number<std::uint32_t>();
        if (!in_.ok()) return;
        if (dimensions > kGgufMaxDimensions) {
            return invalid(Text::format("the tensor \"{}\" has {} dimensions, more than {}",
                                        "张量 \"{}\" 有 {} 个维度，超过 {} 个", for_message(name), dimensions,
                                        kGgufMaxDimensions));
        }
        std::uint64_t row = 1;
        std::uint64_t elements = 1;
        for (std::uint32_t i = 0; i < dimensions && in_.ok(); ++i) {
            const auto length = in_.number<std::uint64_t>();
            if (!in_.ok()) return;
            if (i == 0) row = length;
            // ggml counts elements in a signed 64-bit integer.
            if (length == 0 || __builtin_mul_overflow(elements, length, &elements) ||
                elements > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
                return invalid(Text::format("the tensor \"{}\" has an impossible shape", "张量 \"{}\" 的形状无效",
                                            for_message(name)));
            }
        }
        const auto type_id = in_.number<std::uint32_t>();
        const auto offset = in_.number<std::uint64_t>();
        if (in_.ok()) place_tensor({name, type_id, dimensions}, row, elements, offset);
    }

    struct Tensor {
        const std::string& name;
        std::uint32_t type;
        std::uint32_t dimensions;
    };
    void place_tensor(const Tensor& tensor, std::uint64_t row, std::uint64_t elements, std::uint64_t offset) {
        const auto& [name, type_id, dimensions] = tensor;
        std::uint64_t bytes = 0;
        const TensorType* type = tensor_type(type_id);
        if (type) {
            if (row % type->block_elements != 0) {
                return invalid(Text::format("a row of the tensor \"{}\" does not fill whole blocks of {}",
                                            "张量 \"{}\" 的行不是 {} 块的整数倍", for_message(name), type->name));
            }
            if (__builtin_mul_overflow(elements / type->block_elements, std::uint64_t{type->block_bytes}, &bytes)) {
                return too_large();
            }
        } else if (type_id < kFirstUnknownTensorType || type_id > 0x7fff'ffff) {
            return invalid(Text::format("the tensor \"{}\" has the type {}, which does not exist",
                                        "张量 \"{}\" 的类型 {} 不存在", for_message(name), type_id));
        } else if (!contains(header_.unknown_tensor_types, type_id) &&
                   header_.unknown_tensor_types.size() < kMaxReportedTypes) {
            header_.unknown_tensor_types.push_back(type_id);
        }
        // ggml lays tensors out in order without holes. After one of unknown size the next may begin anywhere
        // behind it.
        const bool in_place = after_unknown_ ? offset >= next_offset_ : offset == next_offset_;
        if (!in_place || offset % header_.alignment != 0) {
            return invalid(Text::format("the data of the tensor \"{}\" is not where it belongs",
                                        "张量 \"{}\" 的数据位置不正确", for_message(name)));
        }
        after_unknown_ = type == nullptr;
        if (__builtin_add_overflow(offset, bytes, &data_end_)) return too_large();
        const auto next = align_up(data_end_, header_.alignment);
        if (!next || __builtin_add_overflow(header_.parameter_count, elements, &header_.parameter_count)) {
            return too_large();
        }
        next_offset_ = *next;
        count_bytes(tensor, bytes);
    }

    // The sums stay below data_end_, which didn't overflow.
    void count_bytes(const Tensor& tensor, std::uint64_t bytes) {
        GgufTensorSums& sums = header_.tensor_bytes;
        sums.all += bytes;
        if (tensor.name == "token_embd.weight") {
            sums.token_embedding += bytes;
            sums.token_embedding_type = tensor.type;
            return;
        }
        if (tensor.name == "output.weight") sums.output += bytes;
        if (tensor.name.starts_with("blk.")) sums.blocks += bytes;
        if (tensor.dimensions >= 2) sums.matrices[tensor.type] += bytes;
    }

    void too_large() { invalid(Text{"the tensors are larger than any file can be", "张量大小超出任何文件的可能"}); }

    void place_data() {
        // The header ends below kGgufMaxHeaderBytes, so aligning its end can't overflow.
        header_.data_offset = *align_up(in_.position(), header_.alignment);
        header_.required_size = in_.position();
        if (header_.tensor_count > 0 &&
            __builtin_add_overflow(header_.data_offset, data_end_, &header_.required_size)) {
            return too_large();
        }
        if (const auto size = in_.file_size(); size && *size < header_.required_size) {
            in_.fail(ProblemKind::truncated,
                     Text::format("the file has {} bytes, its tensors need {}", "文件只有 {} 字节，其张量需要 {} 字节",
                                  *size, header_.required_size),
                     header_.required_size);
        }
    }

    static constexpr std::size_t kMaxReportedTypes = 16;

    ByteCursor in_;
    GgufHeader header_;
    std::uint64_t pair_count_ = 0;
    std::map<std::string, std::uint64_t> integers_;
    std::map<std::string, std::string> strings_;
    std::uint64_t next_offset_ = 0;  // where the next tensor belongs, from the start of the data
    std::uint64_t data_end_ = 0;     // where the last one ends
    bool after_unknown_ = false;
};

}  // namespace

std::expected<GgufHeader, FormatProblem> read_gguf(const ByteSource& source) {
    return GgufReader(source).read();
}

std::optional<GgufHeader> read_gguf_beginning(const ByteSource& source) {
    if (auto whole = read_gguf(source)) return std::move(*whole);
    return GgufReader(source).read_beginning();
}

}  // namespace llmm::formats
