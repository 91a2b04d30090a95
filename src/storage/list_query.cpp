#include "storage/list_query.hpp"

#include "base/error/error.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmm::storage {

ListQuery::ListQuery(std::string_view columns, std::size_t column_count, std::string_view table,
                     std::span<const SortField> fields, std::string sort, int limit, std::string_view cursor)
    : columns_(columns),
      table_(table),
      column_count_(column_count),
      sort_(std::move(sort)),
      limit_(static_cast<std::size_t>(limit)) {
    downwards_ = sort_.starts_with('-');
    const std::string_view name = std::string_view(sort_).substr(downwards_ ? 1 : 0);
    const auto found =
        std::find_if(fields.begin(), fields.end(), [&](const SortField& field) { return field.name == name; });
    if (found == fields.end()) {
        std::string names;
        for (const SortField& field : fields)
            names += fmt::format("{}{}, -{}", names.empty() ? "" : ", ", field.name, field.name);
        throw Error(
            ErrorCode::validation_failed, Text{"the list can't be sorted that way", "不支持该排序方式"},
            {{"sort", FieldProblem{Text{"is none of the possible values", "不是可用的值"}, Text{names, names}}}});
    }
    field_ = &*found;
    if (!cursor.empty()) {
        const Cursor place = Cursor::parse(cursor, sort_);
        conditions_ = fmt::format(" WHERE ({}, id) {} (?, ?)", field_->column, downwards_ ? "<" : ">");
        params_ = {place.value_param(), place.id};
    }
}

void ListQuery::where(std::string_view condition, Param value) {
    conditions_ += fmt::format("{} {}", conditions_.empty() ? " WHERE" : " AND", condition);
    params_.push_back(std::move(value));
}

std::string ListQuery::text() {
    const std::string_view direction = downwards_ ? " DESC" : "";
    params_.emplace_back(limit_ + 1);
    return fmt::format("SELECT {}, {}, id FROM {}{} ORDER BY {}{}, id{} LIMIT ?", columns_, field_->column, table_,
                       conditions_, field_->column, direction, direction);
}

Cursor ListQuery::cursor_of(const Row& row) const {
    Cursor cursor{.sort = sort_, .value = {}, .id = row.text(column_count_ + 1)};
    if (field_->is_text) {
        cursor.value = row.text(column_count_);
    } else {
        cursor.value = row.int64(column_count_);
    }
    return cursor;
}

}  // namespace llmm::storage
