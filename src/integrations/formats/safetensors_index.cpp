#include "integrations/formats/safetensors_index.hpp"

#include "integrations/formats/json_walk.hpp"
#include "integrations/formats/safetensors.hpp"

#include <optional>
#include <set>
#include <string>
#include <utility>

namespace llmm::formats {
namespace {

class IndexVisitor final : public JsonVisitor {
  public:
    void open(Path path, bool is_array) override {
        if (path.empty() && is_array) return invalid(Text{"the index is not an object", "索引不是对象"});
        const bool is_map = path.size() == 1 && path[0] == "weight_map";
        if (is_map && !is_array) {
            has_map_ = true;
        } else if (is_map || in_map(path)) {
            bad_map();
        }
    }
    void close(Path) override {}

    void scalar(Path path, const JsonScalar& value) override {
        if (path.empty()) return invalid(Text{"the index is not an object", "索引不是对象"});
        if (path[0] == "weight_map") return add_file(path, value);
        // Informative only; some writers put a number with a fraction there.
        const auto* number = std::get_if<std::uint64_t>(&value);
        if (number && path.size() == 2 && path[0] == "metadata" && path[1] == "total_size") total_size_ = *number;
    }

    const std::optional<FormatProblem>& problem() const override { return problem_; }

    std::expected<SafetensorsIndex, FormatProblem> finish() {
        if (!has_map_ || files_.empty()) bad_map();
        if (problem_) return std::unexpected(*problem_);
        return SafetensorsIndex{{files_.begin(), files_.end()}, tensor_count_, total_size_};
    }

  private:
    static bool in_map(Path path) { return path.size() >= 2 && path[0] == "weight_map"; }
    void invalid(Text message) {
        if (!problem_) problem_ = {ProblemKind::invalid, std::move(message)};
    }
    void bad_map() {
        invalid(Text{"the index has no weight_map from tensors to file names", "索引缺少从张量到文件名的 weight_map"});
    }

    void add_file(Path path, const JsonScalar& value) {
        const auto* name = std::get_if<std::string_view>(&value);
        if (!name || path.size() != 2) return bad_map();
        if (++tensor_count_ > kSafetensorsMaxTensors) {
            problem_ = {ProblemKind::unsupported, Text::format("the index lists more than {} tensors",
                                                               "索引列出的张量超过 {} 个", kSafetensorsMaxTensors)};
            return;
        }
        if (*name == last_name_) return;  // tensors of one file follow each other
        std::optional<SafePath> file = SafePath::parse(*name);
        if (!file || !file->str().ends_with(".safetensors")) {
            return invalid(Text::format("the index names the file \"{}\", which can't be part of a model",
                                        "索引中的文件 \"{}\" 不能作为模型的一部分", for_message(*name)));
        }
        files_.insert(std::move(*file));
        last_name_ = *name;
    }

    bool has_map_ = false;
    std::set<SafePath> files_;
    std::optional<std::string> last_name_;
    std::uint64_t tensor_count_ = 0;
    std::optional<std::uint64_t> total_size_;
    std::optional<FormatProblem> problem_;
};

}  // namespace

std::expected<SafetensorsIndex, FormatProblem> read_safetensors_index(std::string_view text) {
    if (text.size() > kSafetensorsMaxIndexBytes) {
        return std::unexpected(
            FormatProblem{ProblemKind::unsupported,
                          Text::format("the index has {} bytes, more than {}", "索引有 {} 字节，超过 {} 的上限",
                                       text.size(), kSafetensorsMaxIndexBytes)});
    }
    IndexVisitor visitor;
    JsonWalk walk(visitor, {.depth = kSafetensorsMaxDepth, .key_bytes = kSafetensorsMaxNameBytes});
    if (!walk.feed(text) || !walk.finish()) return std::unexpected(walk.problem());
    return visitor.finish();
}

}  // namespace llmm::formats
