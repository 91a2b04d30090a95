#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time/time.hpp"

namespace llmm::storage {

// One row of a result, columns counted from 0. Valid only inside the function that receives it. Values travel as text,
// so that both databases give the same: SOCI's own dynamic rows cut 64-bit results of expressions (sum, count) to 32 bits
// on SQLite. A NULL where none was asked for, or a text that is no number, is an INTERNAL error.
class Row {
  public:
    bool is_null(std::size_t column) const;
    const std::string& text(std::size_t column) const;
    std::int64_t int64(std::size_t column) const;
    double number(std::size_t column) const;
    bool boolean(std::size_t column) const;  // an INTEGER column holding 0 or 1
    TimePoint time(std::size_t column) const;

    std::optional<std::string> optional_text(std::size_t column) const;
    std::optional<std::int64_t> optional_int64(std::size_t column) const;
    std::optional<double> optional_number(std::size_t column) const;
    std::optional<TimePoint> optional_time(std::size_t column) const;

  private:
    friend class Statement;
    std::vector<std::string> texts_;
    std::vector<bool> nulls_;
};

}  // namespace llmm::storage
