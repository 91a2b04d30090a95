#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace llmm::app::cli {

enum class Align { left, right };

struct Column {
    std::string title;
    Align align = Align::left;
};

// Aligned columns, two spaces apart. Cells are shown without control characters.
class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    void add(std::vector<std::string> cells);  // as many as columns
    // Lines with the titles first. With a width (a terminal's) the widest columns are shortened until a line
    // fits.
    std::string str(std::size_t width = 0) const;

  private:
    std::vector<std::size_t> widths(std::size_t width) const;

    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace llmm::app::cli
