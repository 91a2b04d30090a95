#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "storage/session.hpp"

namespace llmm::storage {

// A place in a sorted list: the sort value and the id of the last item seen. Clients get it as opaque text and give it back;
// the next page starts behind it, however many rows were added or removed before it:
//
//     … WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?
struct Cursor {
    std::string sort;  // which order the place belongs to
    std::variant<std::int64_t, std::string> value;
    std::string id;

    std::string encode() const;
    // Throws VALIDATION_FAILED for text that encode() can't have made, or that belongs to another order.
    static Cursor parse(std::string_view text, std::string_view sort);

    Param value_param() const;
};

template <class T>
struct Page {
    std::vector<T> items;
    std::optional<std::string> next_cursor;  // nothing: this was the last page
};

// From a query that asked for limit + 1 rows. cursor_of(const T&) gives the place of an item.
template <class T, class F>
Page<T> make_page(std::vector<T> items, std::size_t limit, F cursor_of) {
    Page<T> page{std::move(items), std::nullopt};
    if (page.items.size() > limit) {
        page.items.erase(page.items.begin() + static_cast<std::ptrdiff_t>(limit), page.items.end());
        if (!page.items.empty()) page.next_cursor = cursor_of(page.items.back()).encode();
    }
    return page;
}

}  // namespace llmm::storage
