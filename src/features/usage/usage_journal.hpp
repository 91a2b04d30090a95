#pragma once
#include "base/fs/file.hpp"
#include "features/usage/usage.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::usage {

// The rows that the database doesn't have yet, in a file that outlives a killed process: a line when a request is on
// its way to a model and one when it has ended. Nothing is synced: a power cut may take what came last.
// The constructor and start_over() block for as long as reading or writing the file takes. Used from one thread.
class UsageJournal {
  public:
    // Reads what an earlier process left.
    explicit UsageJournal(std::filesystem::path path);

    // What was left: rows as they ended, and those that never did as kInterrupted. The file still has them.
    std::vector<Usage> take_left() { return std::move(left_); }

    // A failure is logged once; the requests go on without.
    void begin(const Usage& row);
    void end(const Usage& row);
    bool is_empty() const { return end_ == 0; }
    // Worth a start_over().
    bool is_long() const;
    // Keeps only these.
    void start_over(std::span<const Usage* const> open, std::span<const Usage> ended);

  private:
    void append(std::string_view lines);

    const std::filesystem::path path_;
    std::vector<Usage> left_;
    UniqueFd fd_;
    std::uint64_t end_ = 0, kept_ = 0;  // bytes; and of those, what the last start_over() wrote
    std::string line_;
    bool failed_ = false;
};

// The rows that the lines come to. A line that can't be read is left out: the last one may be half there.
std::vector<Usage> parse_usage_journal(std::string_view text, TimePoint died_at);

}  // namespace llmm::usage
