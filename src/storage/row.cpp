#include "storage/row.hpp"

#include "base/error/error.hpp"

#include <charconv>

#include <fmt/format.h>

namespace llmm::storage {
namespace {

[[noreturn]] void unexpected(std::string note) {
    throw Error(ErrorCode::internal, {"a stored value is not what the program expects", "存储的值与程序的预期不符"})
        .with_log_note(std::move(note));
}

template <class Number>
Number parse(const std::string& text, std::size_t column) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        unexpected(fmt::format("column {} is not a number", column));
    }
    return value;
}

}  // namespace

bool Row::is_null(std::size_t column) const {
    if (column >= nulls_.size()) unexpected(fmt::format("there is no column {}", column));
    return nulls_[column];
}

const std::string& Row::text(std::size_t column) const {
    if (is_null(column)) unexpected(fmt::format("column {} is NULL", column));
    return texts_[column];
}

std::int64_t Row::int64(std::size_t column) const {
    return parse<std::int64_t>(text(column), column);
}
double Row::number(std::size_t column) const {
    return parse<double>(text(column), column);
}
bool Row::boolean(std::size_t column) const {
    return int64(column) != 0;
}
TimePoint Row::time(std::size_t column) const {
    return from_epoch_ms(int64(column));
}

std::optional<std::string> Row::optional_text(std::size_t column) const {
    if (is_null(column)) return std::nullopt;
    return text(column);
}

std::optional<std::int64_t> Row::optional_int64(std::size_t column) const {
    if (is_null(column)) return std::nullopt;
    return int64(column);
}

std::optional<double> Row::optional_number(std::size_t column) const {
    if (is_null(column)) return std::nullopt;
    return number(column);
}

std::optional<TimePoint> Row::optional_time(std::size_t column) const {
    if (is_null(column)) return std::nullopt;
    return time(column);
}

}  // namespace llmm::storage
