#include "integrations/card.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"

#include <boost/json.hpp>

namespace llmm::hubs {

std::optional<std::string> card_of(std::string text) {
    if (text.size() > kMaxCardBytes) {
        std::size_t end = kMaxCardBytes;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
            --end;
        text.resize(end);
    }
    try {
        parse_json(json::serialize(json::string(text)));  // for its check of UTF-8
    } catch (const Error&) {
        return std::nullopt;
    }
    return text;
}

}  // namespace llmm::hubs
