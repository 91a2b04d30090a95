#include "storage/page.hpp"

#include "base/error/error.hpp"
#include "base/ids/id.hpp"
#include "base/json/json.hpp"

#include <boost/json.hpp>
#include <sodium.h>

namespace llmm::storage {
namespace {

constexpr std::size_t kMaxLength = 4096;  // a name of 1024 characters fits
constexpr int kBase64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

std::string to_base64url(std::string_view data) {
    std::string text(sodium_base64_encoded_len(data.size(), kBase64), '\0');
    sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(data.data()), data.size(),
                      kBase64);
    text.pop_back();  // the terminating NUL that sodium counts
    return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
    std::string data(text.size(), '\0');
    std::size_t size = 0;
    if (sodium_base642bin(reinterpret_cast<unsigned char*>(data.data()), data.size(), text.data(), text.size(), nullptr,
                          &size, nullptr, kBase64) != 0) {
        return std::nullopt;
    }
    data.resize(size);
    return data;
}

std::optional<Cursor> decode(std::string_view text) {
    if (text.size() > kMaxLength) return std::nullopt;
    const auto data = from_base64url(text);
    if (!data) return std::nullopt;
    boost::system::error_code error;
    const json::value parsed = json::parse(*data, error);
    const json::array* parts = parsed.if_array();
    if (error || !parts || parts->size() != 3) return std::nullopt;
    const json::string* sort = (*parts)[0].if_string();
    const json::string* id = (*parts)[2].if_string();
    if (!sort || !id || !is_uuid(*id)) return std::nullopt;
    Cursor cursor{std::string(*sort), 0, std::string(*id)};
    if (const auto* number = (*parts)[1].if_int64()) {
        cursor.value = *number;
    } else if (const auto* string = (*parts)[1].if_string(); string && string->find('\0') == json::string::npos) {
        cursor.value = std::string(*string);
    } else {
        return std::nullopt;
    }
    return cursor;
}

}  // namespace

std::string Cursor::encode() const {
    json::array parts{json::string(sort)};
    std::visit([&](const auto& part) { parts.emplace_back(part); }, value);
    parts.emplace_back(id);
    return to_base64url(json::serialize(parts));
}

Cursor Cursor::parse(std::string_view text, std::string_view sort) {
    auto cursor = decode(text);
    // One text for each place: what decodes but was not written like this came from somebody else.
    if (!cursor || cursor->sort != sort || cursor->encode() != text) {
        throw Error(ErrorCode::validation_failed, {"the cursor is not one of this list", "游标不属于此列表"},
                    {{"cursor", FieldProblem{Text{"is not one of this list", "不属于此列表"},
                                             Text{"next_cursor of the page before, with the same sort",
                                                  "上一页的 next_cursor，并保持相同的排序"}}}});
    }
    return std::move(*cursor);
}

Param Cursor::value_param() const {
    return std::visit([](const auto& part) { return Param(part); }, value);
}

}  // namespace llmm::storage
