#include "integrations/engines/exposition.hpp"

#include <charconv>
#include <cmath>
#include <optional>

namespace llmm::engines {
namespace {

bool begins_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
bool continues_name(char c) {
    return begins_name(c) || (c >= '0' && c <= '9');
}

class Line {
  public:
    explicit Line(std::string_view text) : rest_(text) {}

    std::optional<Sample> read() {
        Sample sample;
        skip_blanks();
        sample.name = name();
        if (sample.name.empty()) return std::nullopt;
        skip_blanks();
        if (take('{') && !labels(sample.labels)) return std::nullopt;
        const auto value = number();
        if (!value) return std::nullopt;
        sample.value = *value;
        // A timestamp may follow; whose clock it is nobody knows.
        skip_blanks();
        for (const char c : rest_)
            if (c != '-' && (c < '0' || c > '9')) return std::nullopt;
        return sample;
    }

  private:
    void skip_blanks() {
        while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t'))
            rest_.remove_prefix(1);
    }
    bool take(char c) {
        if (rest_.empty() || rest_[0] != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    std::string name() {
        if (rest_.empty() || !begins_name(rest_[0])) return {};
        std::size_t length = 1;
        while (length < rest_.size() && continues_name(rest_[length]))
            ++length;
        std::string found(rest_.substr(0, length));
        rest_.remove_prefix(length);
        return found;
    }
    bool labels(std::map<std::string, std::string>& into) {
        while (true) {
            skip_blanks();
            if (take('}')) return true;
            const std::string key = name();
            skip_blanks();
            if (key.empty() || !take('=')) return false;
            skip_blanks();
            if (!take('"') || !quoted(into[key]) || into.size() > kMostLabels) return false;
            skip_blanks();
            if (take(',')) continue;
            return take('}');
        }
    }
    bool quoted(std::string& into) {
        while (!rest_.empty()) {
            const char c = rest_[0];
            rest_.remove_prefix(1);
            if (c == '"') return true;
            if (c != '\\') {
                into += c;
                continue;
            }
            if (rest_.empty()) return false;
            into += rest_[0] == 'n' ? '\n' : rest_[0];
            rest_.remove_prefix(1);
        }
        return false;
    }
    std::optional<double> number() {
        skip_blanks();
        std::string_view word = rest_.substr(0, rest_.find_first_of(" \t"));
        rest_.remove_prefix(word.size());
        if (word == "+Inf") return INFINITY;
        if (word.starts_with('+')) word.remove_prefix(1);
        double value = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (word.empty() || error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
        return value;
    }

    std::string_view rest_;
};

}  // namespace

std::vector<Sample> parse_exposition(std::string_view text) {
    text = text.substr(0, kMostExpositionBytes);
    std::vector<Sample> samples;
    while (!text.empty() && samples.size() < kMostSamples) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line[0] == '#') continue;
        if (auto sample = Line(line).read()) samples.push_back(std::move(*sample));
    }
    return samples;
}

}  // namespace llmm::engines
