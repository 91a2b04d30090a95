#pragma once
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::storage {

// A field that a list can be sorted by. An index on (column, id) serves it.
struct SortField {
    std::string_view name;  // as clients write it; "-name" sorts downwards
    std::string_view column;
    bool is_text = false;
};

// One page of a table: filters, an order and the place to go on from. The text comes from literals only; values are
// bound.
class ListQuery {
  public:
    // `columns` has `column_count` expressions. Throws VALIDATION_FAILED for an unknown sort or a foreign cursor.
    ListQuery(std::string_view columns, std::size_t column_count, std::string_view table,
              std::span<const SortField> fields, std::string sort, int limit, std::string_view cursor);

    void where(std::string_view condition, Param value);

    template <class F>
    auto run(Session& session, F from_row) {
        using Item = std::invoke_result_t<F&, const Row&>;
        std::vector<std::pair<Item, Cursor>> rows =
            session.query(text(), [&](const Row& row) { return std::pair(from_row(row), cursor_of(row)); }, params_);
        Page<Item> page;
        for (auto& [item, cursor] : rows) {
            if (page.items.size() == limit_) break;
            page.items.push_back(std::move(item));
        }
        if (rows.size() > limit_) page.next_cursor = rows[limit_ - 1].second.encode();
        return page;
    }

  private:
    std::string text();
    Cursor cursor_of(const Row& row) const;

    std::string_view columns_, table_;
    std::size_t column_count_;
    std::string sort_;
    const SortField* field_ = nullptr;
    bool downwards_ = false;
    std::size_t limit_;
    std::string conditions_;
    Params params_;
};

}  // namespace llmm::storage
