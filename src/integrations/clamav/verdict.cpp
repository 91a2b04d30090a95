#include "integrations/clamav/verdict.hpp"

#include <algorithm>

namespace llmm::clamav {
namespace {

constexpr std::string_view kFound = " FOUND", kClean = "stream: OK", kStream = "stream: ";
constexpr std::size_t kMaxName = 200;

std::string printable(std::string_view text) {
    std::string clean(text.substr(0, kMaxName));
    std::ranges::replace_if(clean, [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
    return clean;
}

}  // namespace

// "stream: OK", "stream: Eicar-Signature FOUND", "INSTREAM size limit exceeded. ERROR"
std::optional<std::string> read_verdict(std::string_view answer) {
    answer = answer.substr(0, answer.find('\0'));
    if (answer == kClean) return std::nullopt;
    if (answer.starts_with(kStream) && answer.ends_with(kFound) && answer.size() > kStream.size() + kFound.size())
        return printable(answer.substr(kStream.size(), answer.size() - kStream.size() - kFound.size()));
    if (answer.contains("size limit exceeded")) {
        throw Error(ErrorCode::scan_unavailable,
                    Text{"clamd takes less at once than scan.part_bytes: make that smaller, or clamd's StreamMaxLength "
                         "larger, then try again",
                         "clamd 单次接受的数据小于 scan.part_bytes：请调小该值或增大 clamd 的 StreamMaxLength 后重试"});
    }
    throw unavailable(answer.empty() ? "an empty answer" : "it answered: " + printable(answer));
}

Error unavailable(std::string note) {
    return Error(
               ErrorCode::scan_unavailable,
               Text{"the virus scanner clamd does not answer: start it, or change scan.clamd, then try again; what is "
                    "here is kept",
                    "病毒扫描器 clamd 无响应：请启动它或修改 scan.clamd 后重试；已有的数据会保留"})
        .with_log_note(std::move(note));
}

}  // namespace llmm::clamav
