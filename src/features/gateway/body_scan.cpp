#include "features/gateway/body_scan.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"

#include <algorithm>
#include <charconv>

#include <boost/json.hpp>

namespace llmm::gateway {
namespace {

[[noreturn]] void malformed(std::size_t at) {
    fail(ErrorCode::malformed_json, "the body is not valid JSON (at byte {})", "请求体不是有效的 JSON（第 {} 字节）",
         at);
}

[[noreturn]] void refuse(std::string field, Text problem, Text allowed = {}) {
    throw Error(ErrorCode::validation_failed, Text{"a field is not as described", "字段不符合要求"},
                {{std::move(field), FieldProblem{std::move(problem), std::move(allowed)}}});
}

// What a value may say about a picture, sound or video, which engines fetch: nothing, or the address in an object's
// "url", or also the address itself.
enum class Media { none, in_object, anywhere };

Media media_of(std::string_view key) {
    if (key == "image_url" || key == "audio_url" || key == "video_url") return Media::anywhere;
    return key == "source" ? Media::in_object : Media::none;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

class Scanner {
  public:
    Scanner(std::string_view text, FieldList allowed) : text_(text), allowed_(allowed) {}

    ScannedBody scan() {
        result_.members.reserve(16);
        skip_space();
        if (at_ >= text_.size() || text_[at_] != '{') {
            skip_value(0, Media::none);
            skip_space();
            if (at_ != text_.size()) malformed(at_);
            refuse("", {"is no object", "不是对象"});
        }
        ++at_;
        skip_space();
        if (peek() == '}') {
            ++at_;
        } else {
            while (read_member()) {
            }
        }
        skip_space();
        if (at_ != text_.size()) malformed(at_);
        return std::move(result_);
    }

  private:
    char peek() const {
        if (at_ >= text_.size()) malformed(at_);
        return text_[at_];
    }
    void skip_space() {
        while (at_ < text_.size() &&
               (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
            ++at_;
    }
    std::string_view between(Span span) const { return text_.substr(span.begin, span.end - span.begin); }

    // The string's characters as written; decoded only where an escape makes that necessary.
    std::string_view read_key(std::string& decoded) {
        const std::size_t start = at_;
        const bool escaped = skip_string();
        const std::string_view quoted = text_.substr(start, at_ - start);
        if (!escaped) return quoted.substr(1, quoted.size() - 2);
        decoded = decode(quoted, start);
        return decoded;
    }
    static std::string decode(std::string_view quoted, std::size_t at) {
        try {
            return std::string(parse_json(quoted).as_string());
        } catch (const Error&) {
            malformed(at);
        }
    }

    bool read_member() {
        const std::size_t start = at_;
        std::string decoded;
        if (peek() != '"') malformed(at_);
        const std::string_view key = read_key(decoded);
        skip_space();
        if (peek() != ':') malformed(at_);
        ++at_;
        skip_space();
        const std::size_t value_start = at_;
        skip_value(1, media_of(key));
        const Span value{value_start, at_};
        const bool allowed = std::ranges::binary_search(allowed_, key);
        note(key, value);
        result_.members.push_back({{start, at_}, value, allowed});
        result_.all_allowed = result_.all_allowed && allowed;
        skip_space();
        const char next = peek();
        ++at_;
        if (next == '}') return false;
        if (next != ',') malformed(at_ - 1);
        skip_space();
        return true;
    }

    void once(bool& seen, std::string_view key) {
        if (std::exchange(seen, true)) refuse(std::string(key), {"stands there twice", "重复出现"});
    }

    void note(std::string_view key, Span value) {
        const std::string_view text = between(value);
        if (key == "model") {
            once(has_model_, key);
            if (text.front() != '"') refuse("model", {"is no string", "不是字符串"});
            result_.model = text.find('\\') == std::string_view::npos ? std::string(text.substr(1, text.size() - 2))
                                                                      : decode(text, value.begin);
            result_.model_value = value;
        } else if (key == "stream") {
            once(has_stream_, key);
            if (text != "true" && text != "false" && text != "null") refuse("stream", {"is no boolean", "不是布尔值"});
            result_.stream = text == "true";
        } else if (key == "messages" || key == "prompt" || key == "input") {
            result_.prompt = value;
        } else if (key == "stream_options") {
            once(has_options_, key);
            result_.include_usage = asks_for_usage(text);
        } else if (key == "max_tokens" || key == "max_completion_tokens" || key == "max_output_tokens") {
            once(has_max_[key == "max_tokens" ? 0 : key == "max_completion_tokens" ? 1 : 2], key);
            std::int64_t number = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
            if (error == std::errc{} && end == text.data() + text.size()) result_.max_tokens = number;
        }
    }

    static bool asks_for_usage(std::string_view text) {
        if (!text.starts_with('{')) return false;
        const json::value value = parse_json(text);
        const json::value* wish = value.get_object().if_contains("include_usage");
        return wish && wish->is_bool() && wish->get_bool();
    }

    // Whether it has escapes.
    bool skip_string() {
        bool escaped = false;
        for (++at_; at_ < text_.size(); ++at_) {
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c == '"') {
                ++at_;
                return escaped;
            }
            if (c < 0x20) malformed(at_);
            if (c != '\\') continue;
            escaped = true;
            if (++at_ >= text_.size()) break;
            if (text_[at_] == 'u') {
                for (int i = 0; i < 4; ++i) {
                    if (++at_ >= text_.size() || !is_hex(text_[at_])) malformed(at_);
                }
            } else if (!std::string_view("\"\\/bfnrt").contains(text_[at_])) {
                malformed(at_);
            }
        }
        malformed(at_);
    }
    static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

    void skip_digits() {
        if (!is_digit(peek())) malformed(at_);
        while (at_ < text_.size() && is_digit(text_[at_]))
            ++at_;
    }
    void skip_number() {
        if (text_[at_] == '-') ++at_;
        if (peek() == '0') {
            ++at_;
        } else {
            skip_digits();
        }
        if (at_ < text_.size() && text_[at_] == '.') {
            ++at_;
            skip_digits();
        }
        if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
            ++at_;
            if (peek() == '+' || peek() == '-') ++at_;
            skip_digits();
        }
    }
    void skip_word(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) malformed(at_);
        at_ += word.size();
    }

    void skip_value(std::size_t depth, Media media) {
        switch (peek()) {
            case '"': {
                const std::size_t start = at_ + 1;
                skip_string();
                if (media == Media::anywhere) check_media(text_.substr(start, at_ - start - 1));
                return;
            }
            case '{':
                return skip_object(depth, media != Media::none);
            case '[':
                return skip_array(depth);
            case 't':
                return skip_word("true");
            case 'f':
                return skip_word("false");
            case 'n':
                return skip_word("null");
            default:
                if (text_[at_] != '-' && !is_digit(text_[at_])) malformed(at_);
                return skip_number();
        }
    }

    void enter(std::size_t depth) {
        if (depth >= kMaxJsonDepth) {
            fail(ErrorCode::malformed_json, "the body nests deeper than {} levels", "请求体嵌套超过 {} 层",
                 kMaxJsonDepth);
        }
        ++at_;
        skip_space();
    }

    void skip_object(std::size_t depth, bool in_media) {
        enter(depth);
        if (peek() == '}') {
            ++at_;
            return;
        }
        for (;;) {
            std::string decoded;
            if (peek() != '"') malformed(at_);
            const std::string_view key = read_key(decoded);
            skip_space();
            if (peek() != ':') malformed(at_);
            ++at_;
            skip_space();
            skip_value(depth + 1, in_media && key == "url" ? Media::anywhere : media_of(key));
            skip_space();
            const char next = peek();
            ++at_;
            if (next == '}') return;
            if (next != ',') malformed(at_ - 1);
            skip_space();
        }
    }
    void skip_array(std::size_t depth) {
        enter(depth);
        if (peek() == ']') {
            ++at_;
            return;
        }
        for (;;) {
            skip_value(depth + 1, Media::none);
            skip_space();
            const char next = peek();
            ++at_;
            if (next == ']') return;
            if (next != ',') malformed(at_ - 1);
            skip_space();
        }
    }

    // An engine that fetches addresses for its users reaches whatever this machine reaches.
    void check_media(std::string_view value) const {
        const std::size_t colon = value.find_first_of(":\\");
        if (colon == std::string_view::npos) return;  // plain base64, or no address
        if (value.starts_with("data:")) return;
        const std::string_view scheme = value.substr(0, colon);
        const bool is_scheme = value[colon] == '\\' || std::ranges::all_of(scheme, [](char c) {
                                   return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
                                          c == '-' || c == '.';
                               });
        if (is_scheme) {
            refuse("url", {"is an address", "为网络地址"},
                   {"the data itself: data:<type>;base64,…", "请直接提供数据：data:<类型>;base64,…"});
        }
    }

    std::string_view text_;
    FieldList allowed_;
    std::size_t at_ = 0;
    ScannedBody result_;
    bool has_model_ = false, has_stream_ = false, has_options_ = false, has_max_[3] = {};
};

}  // namespace

ScannedBody scan_body(std::string_view body, FieldList allowed) {
    return Scanner(body, allowed).scan();
}

std::string rewrite_body(std::string body, const ScannedBody& scanned, std::string_view model, bool ask_for_usage) {
    const bool rename = scanned.model_value && scanned.model != model;
    if (scanned.all_allowed && !ask_for_usage) {
        if (rename) {
            const Span at = *scanned.model_value;
            body.replace(at.begin, at.end - at.begin, json::serialize(json::string(model)));
        }
        return body;
    }
    std::string result = "{";
    result.reserve(body.size() + 64);
    const auto add = [&result](std::string_view text) {
        if (result.size() > 1) result += ',';
        result += text;
    };
    for (const auto& member : scanned.members) {
        if (!member.allowed) continue;
        const std::string_view text(body);
        const bool is_model = scanned.model_value && member.value.begin == scanned.model_value->begin;
        if (rename && is_model) {
            add(text.substr(member.whole.begin, member.value.begin - member.whole.begin));
            result += json::serialize(json::string(model));
        } else if (!(ask_for_usage && text.substr(member.whole.begin).starts_with("\"stream_options\""))) {
            add(text.substr(member.whole.begin, member.whole.end - member.whole.begin));
        }
    }
    if (ask_for_usage) add(R"("stream_options":{"include_usage":true})");
    result += '}';
    return result;
}

}  // namespace llmm::gateway
