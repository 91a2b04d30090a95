#include "integrations/formats/json_walk.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

namespace llmm::formats {
namespace {

namespace json = boost::json;
using boost::system::error_code;

// The keys of one open object. Most have a handful: those are compared one by one.
class KeySet {
  public:
    bool insert(const std::string& key) {
        if (!many_.empty()) return many_.insert(key).second;
        if (std::ranges::find(few_, key) != few_.end()) return false;
        few_.push_back(key);
        if (few_.size() > kFew) many_.insert(few_.begin(), few_.end());
        return true;
    }
    void clear() {
        few_.clear();
        many_.clear();
    }

  private:
    static constexpr std::size_t kFew = 8;
    std::vector<std::string> few_;
    std::unordered_set<std::string> many_;
};

// boost::json's events, with the path kept and keys compared.
class Handler {
  public:
    // A header's longest string is a few kilobytes of free metadata; names and types are far shorter.
    static constexpr std::size_t kMaxValueBytes = 1024 * 1024;
    // What the parser itself limits; the rest is bounded by the size of the text.
    static constexpr std::size_t max_object_size = std::size_t(-1);
    static constexpr std::size_t max_array_size = std::size_t(-1);
    static constexpr std::size_t max_key_size = std::size_t(-1);
    static constexpr std::size_t max_string_size = kMaxValueBytes;

    Handler(JsonVisitor& visitor, JsonWalkLimits limits) : visitor_(visitor), limits_(limits) {}

    std::optional<FormatProblem> problem;

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code& ec) { return open(false, ec); }
    bool on_object_end(std::size_t, error_code& ec) { return close(ec); }
    bool on_array_begin(error_code& ec) { return open(true, ec); }
    bool on_array_end(std::size_t, error_code& ec) { return close(ec); }

    bool on_key_part(json::string_view text, std::size_t size, error_code& ec) {
        if (size > limits_.key_bytes) {
            return stop(ec, ProblemKind::unsupported,
                        Text::format("a JSON key is longer than {} bytes", "JSON 键超过 {} 字节", limits_.key_bytes));
        }
        partial_.append(text);
        return true;
    }
    bool on_key(json::string_view text, std::size_t size, error_code& ec) {
        if (!on_key_part(text, size, ec)) return false;
        if (!keys_[path_.size() - 1].insert(partial_)) {
            return stop(
                ec, ProblemKind::invalid,
                Text::format("the JSON key \"{}\" appears twice", "JSON 键 \"{}\" 重复出现", for_message(partial_)));
        }
        path_.back() = std::move(partial_);
        partial_.clear();
        return true;
    }
    bool on_string_part(json::string_view text, std::size_t, error_code&) {
        partial_.append(text);
        return true;
    }
    bool on_string(json::string_view text, std::size_t, error_code& ec) {
        partial_.append(text);
        const bool go_on = scalar(std::string_view(partial_), ec);
        partial_.clear();
        return go_on;
    }
    bool on_number_part(json::string_view, error_code&) { return true; }
    bool on_int64(std::int64_t number, json::string_view, error_code& ec) {
        if (number < 0) return scalar(static_cast<double>(number), ec);
        return scalar(static_cast<std::uint64_t>(number), ec);
    }
    bool on_uint64(std::uint64_t number, json::string_view, error_code& ec) { return scalar(number, ec); }
    bool on_double(double number, json::string_view, error_code& ec) { return scalar(number, ec); }
    bool on_bool(bool flag, error_code& ec) { return scalar(flag, ec); }
    bool on_null(error_code& ec) { return scalar(std::monostate(), ec); }
    bool on_comment_part(json::string_view, error_code&) { return true; }
    bool on_comment(json::string_view, error_code&) { return true; }

  private:
    bool stop(error_code& ec, ProblemKind kind, Text message) {
        problem = FormatProblem{kind, std::move(message)};
        ec = make_error_code(boost::system::errc::operation_canceled);
        return false;
    }
    bool listen(error_code& ec) {
        if (!visitor_.problem()) return true;
        problem = visitor_.problem();
        ec = make_error_code(boost::system::errc::operation_canceled);
        return false;
    }
    bool open(bool is_array, error_code& ec) {
        visitor_.open(path_, is_array);
        path_.emplace_back();
        if (keys_.size() < path_.size()) keys_.emplace_back();
        return listen(ec);
    }
    bool close(error_code& ec) {
        keys_[path_.size() - 1].clear();
        path_.pop_back();
        visitor_.close(path_);
        return listen(ec);
    }
    bool scalar(const JsonScalar& value, error_code& ec) {
        visitor_.scalar(path_, value);
        return listen(ec);
    }

    JsonVisitor& visitor_;
    const JsonWalkLimits limits_;
    std::vector<std::string> path_;
    std::vector<KeySet> keys_;  // of each level; those that are not open are empty
    std::string partial_;       // a string or key that comes in parts
};

json::parse_options options(JsonWalkLimits limits) {
    json::parse_options result;
    result.max_depth = limits.depth;
    return result;
}

}  // namespace

struct JsonWalk::State {
    State(JsonVisitor& visitor, JsonWalkLimits limits) : parser(options(limits), visitor, limits) {}
    json::basic_parser<Handler> parser;
    std::uint64_t consumed = 0;
};

JsonWalk::JsonWalk(JsonVisitor& visitor, JsonWalkLimits limits) : state_(std::make_unique<State>(visitor, limits)) {}
JsonWalk::~JsonWalk() = default;

bool JsonWalk::feed(std::string_view piece) {
    return write(piece, true);
}
bool JsonWalk::finish() {
    return write({}, false);
}

bool JsonWalk::write(std::string_view piece, bool more) {
    if (problem_) return false;
    error_code error;
    const std::size_t used = state_->parser.write_some(more, piece.data(), piece.size(), error);
    if (!error && used < piece.size()) error = json::error::extra_data;
    state_->consumed += used;
    if (!error) return true;
    problem_ = state_->parser.handler().problem;
    if (!problem_) {
        problem_ = FormatProblem{ProblemKind::invalid, Text::format("not valid JSON: {} near byte {}",
                                                                    "不是有效的 JSON：{}，在第 {} 字节附近",
                                                                    error.message(), state_->consumed)};
    }
    return false;
}

}  // namespace llmm::formats
