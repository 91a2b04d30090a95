#include "app/cli/transfer.hpp"

#include "app/cli/fields.hpp"
#include "app/cli/interrupt.hpp"
#include "app/cli/phrases.hpp"
#include "app/cli/progress.hpp"

namespace llmm::app::cli {
namespace {

using namespace std::chrono_literals;

// A small model is here in no time: the first looks come quickly.
constexpr auto kFirstLook = 100ms;
constexpr auto kSlowestLook = 500ms;

class ProgressDisplay {
  public:
    explicit ProgressDisplay(Terminal& terminal) : terminal_(terminal) {}

    void show(const json::object& download) {
        if (terminal_.err_is_live) {
            const auto lines = render_bar(download, terminal_.width() - 1, terminal_.text);
            terminal_.err << redraw(drawn_, lines) << std::flush;
            drawn_ = lines.size();
        } else if (!terminal_.json && pacer_.is_due(download, std::chrono::steady_clock::now())) {
            terminal_.err << render_line(download, terminal_.text) << std::endl;
        }
    }

  private:
    Terminal& terminal_;
    LinePacer pacer_;
    std::size_t drawn_ = 0;
};

// Whether the download has completed; throws when it has ended otherwise.
bool has_completed(const json::object& download, const std::string& ref, const Texts& text) {
    const std::string status = text_of(download, "status");
    if (status == "completed") return true;
    if (status == "paused") throw CommandFailed(text(phrases::paused_elsewhere, ref));
    if (status == "cancelled") throw CommandFailed(text(phrases::cancelled_elsewhere));
    if (status != "failed") return false;
    const std::string code = text_of(download, "error_code");
    const std::string message = text_of(download, "error_message");
    throw ApiError(0, code.empty() ? "INTERNAL" : code, message.empty() ? text(phrases::unknown_reason) : message, {});
}

void pause_download(Session& session, const std::string& id, const std::string& ref) {
    clear_interrupt();
    post(session.api, {"downloads", id, "pause"});
    session.terminal.err << session.text(phrases::paused, ref) << std::endl;
}

}  // namespace

bool is_model(const json::object& answer) {
    return answer.contains("model_type");
}

json::object begin_pull(Session& session, const std::string& ref) {
    json::object answer = post(session.api, {"downloads"}, json::object{{"ref", ref}});
    if (is_model(answer)) return answer;
    const std::string id = text_of(answer, "id");
    const std::string status = text_of(answer, "status");
    if (status == "paused") {
        session.terminal.note(session.text(phrases::resuming, ref));
        return post(session.api, {"downloads", id, "resume"});
    }
    if (status == "failed" || status == "cancelled") {
        session.terminal.note(session.text(phrases::retrying, ref));
        return post(session.api, {"downloads", id, "retry"});
    }
    return answer;
}

json::object follow_pull(Session& session, json::object download, const std::string& ref) {
    const std::string id = text_of(download, "id");
    ProgressDisplay display(session.terminal);
    auto wait = kFirstLook;
    try {
        while (true) {
            display.show(download);
            if (has_completed(download, ref, session.text)) return download;
            session.terminal.sleep(wait);
            wait = std::min(wait * 2, kSlowestLook);
            download = get(session.api, {"downloads", id});
        }
    } catch (const Interrupted&) {
        pause_download(session, id, ref);
        throw;
    }
}

json::object pull_model(Session& session, const std::string& ref) {
    json::object answer = begin_pull(session, ref);
    if (is_model(answer)) return answer;
    answer = follow_pull(session, std::move(answer), ref);
    return get(session.api, {"models", text_of(answer, "model_id")});
}

}  // namespace llmm::app::cli
