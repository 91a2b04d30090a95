#include "app/cli/table.hpp"

#include "app/cli/format.hpp"

#include <algorithm>
#include <numeric>

namespace llmm::app::cli {
namespace {

constexpr std::size_t kGap = 2;
// Narrower than this a column says nothing any more.
constexpr std::size_t kNarrowest = 8;

}  // namespace

void Table::add(std::vector<std::string> cells) {
    for (std::string& cell : cells)
        cell = cell.empty() ? "-" : printable(cell);
    rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths(std::size_t width) const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t widest = display_width(columns_[i].title);
        for (const auto& row : rows_)
            widest = std::max(widest, display_width(row.at(i)));
        widths.push_back(widest);
    }
    const auto total = [&] { return std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1)); };
    while (width > 0 && total() > width) {
        const auto widest = std::max_element(widths.begin(), widths.end());
        if (*widest <= kNarrowest) break;
        --*widest;
    }
    return widths;
}

std::string Table::str(std::size_t width) const {
    const std::vector<std::size_t> wide = widths(width);
    std::string text;
    const auto write = [&](auto cell_at) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            std::string cell = shorten(cell_at(i), wide[i]);
            line += columns_[i].align == Align::right ? pad_left(cell, wide[i]) : pad_right(cell, wide[i]);
            if (i + 1 < columns_.size()) line.append(kGap, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    };
    write([&](std::size_t i) -> const std::string& { return columns_[i].title; });
    for (const auto& row : rows_)
        write([&](std::size_t i) -> const std::string& { return row[i]; });
    return text;
}

}  // namespace llmm::app::cli
