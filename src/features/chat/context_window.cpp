#include "features/chat/context_window.hpp"

#include "base/log/log.hpp"
#include "features/chat/engine_call.hpp"

#include <algorithm>
#include <exception>
#include <vector>

#include <fmt/format.h>

namespace llmm::chat {
namespace {

using namespace std::chrono_literals;

// A prompt of so few bytes fits into any context: a token is at least one byte, and no engine is run with less.
constexpr std::size_t kSurelyFits = 256;
constexpr auto kSummaryWait = 120s;
constexpr std::int64_t kMaxSummaryTokens = 512;

// Splits the work of fit_prompt: what stays the same while the number of left-out messages is searched.
class Fitting {
  public:
    Fitting(const Engine& engine, const Exchange& exchange, ContextPolicy policy)
        : engine_(engine), exchange_(exchange), policy_(policy) {
        if (policy_ == ContextPolicy::summarise) take_earlier_summary();
    }

    Task<FittedPrompt> run() {
        std::vector<Turn> turns = turns_without(begin_);
        std::size_t bytes = 0;
        for (const Turn& turn : turns)
            bytes += turn.content.size();
        const bool cut = exchange_.chain_missing > 0;
        if (bytes <= kSurelyFits && !cut) co_return FittedPrompt{std::move(turns), context(0, 0)};
        if (policy_ == ContextPolicy::error) {
            if (cut) too_long();
            co_return FittedPrompt{std::move(turns)};
        }
        const auto size = co_await context_size_of(engine_);
        // With most engines a token is three bytes or more; where a byte may be a token, nothing larger fits better.
        if (!size || (!cut && static_cast<std::int64_t>(bytes + 32 * turns.size()) < *size / 2))
            co_return FittedPrompt{std::move(turns), context(size.value_or(0), 0)};
        const auto all = co_await count_tokens(engine_, turns);
        if (!all) co_return FittedPrompt{std::move(turns), context(*size, 0)};
        const std::int64_t room = room_in(*size);
        if (*all <= room && !cut) co_return FittedPrompt{std::move(turns), context(*size, *all)};

        const std::size_t first = co_await first_that_fits(room);
        if (policy_ == ContextPolicy::summarise && first > begin_) co_await summarise(first, *size, *all, bytes);
        turns = turns_without(first);
        const auto used = co_await count_tokens(engine_, turns);
        begin_ = first;
        FittedPrompt fitted{std::move(turns), context(*size, used.value_or(0))};
        co_return fitted;
    }

  private:
    [[noreturn]] static void too_long() {
        throw Error(ErrorCode::context_exceeded,
                    {"the conversation is longer than the context of the deployment", "对话长度超过部署的上下文长度"});
    }

    // What the reply may need is kept free.
    std::int64_t room_in(std::int64_t size) const {
        const std::int64_t wanted = exchange_.session.config.max_tokens.value_or(size / 4);
        return size - std::min(wanted, size / 2);
    }

    std::vector<Turn> turns_without(std::size_t first) const {
        ChatConfig config = exchange_.session.config;
        if (summary_) {
            std::string prompt = config.system_prompt.value_or("");
            if (!prompt.empty()) prompt += "\n\n";
            config.system_prompt = prompt + "Summary of the conversation so far:\n" + *summary_;
        }
        return make_prompt(config,
                           {exchange_.chain.begin() + static_cast<std::ptrdiff_t>(first), exchange_.chain.end()});
    }

    // The first question from which on everything fits; the last one when nothing does, for the engine to judge.
    Task<std::size_t> first_that_fits(std::int64_t room) {
        std::vector<std::size_t> questions;
        for (std::size_t i = begin_; i < exchange_.chain.size(); ++i) {
            if (exchange_.chain[i].role == Role::user) questions.push_back(i);
        }
        std::size_t low = 0, high = questions.size() - 1;  // the chain ends with a question
        while (low < high) {
            const std::size_t middle = low + (high - low) / 2;
            const auto tokens = co_await count_tokens(engine_, turns_without(questions[middle]));
            if (tokens && *tokens <= room) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        co_return questions[low];
    }

    // The last summary in the chain goes on holding for what it summarised.
    void take_earlier_summary() {
        const auto& chain = exchange_.chain;
        for (std::size_t i = chain.size(); i-- > 0;) {
            const auto& context = chain[i].metadata.context;
            if (!context || !context->summary || !context->summary_until) continue;
            const auto until = std::find_if(chain.begin(), chain.end(), [&](const Message& message) {
                return message.id == *context->summary_until;
            });
            if (until == chain.end()) return;
            summary_ = context->summary;
            summary_until_ = context->summary_until;
            begin_ = static_cast<std::size_t>(until - chain.begin()) + 1;
            dropped_before_ = context->dropped_messages;
            return;
        }
    }

    Task<> summarise(std::size_t first, std::int64_t size, std::int64_t tokens, std::size_t bytes) {
        std::string text = summary_ ? "Summary of what was said before: " + *summary_ + "\n\n" : std::string();
        for (std::size_t i = begin_; i < first; ++i) {
            const Message& message = exchange_.chain[i];
            text += fmt::format("{}: {}\n\n", name_of(message.role), message.content);
        }
        // Half of the context for what is summarised: its newest part, if it is longer.
        const auto most = static_cast<std::size_t>(static_cast<double>(size) / 2 * static_cast<double>(bytes) /
                                                   static_cast<double>(std::max<std::int64_t>(tokens, 1)));
        if (text.size() > most) {
            std::size_t begin = text.size() - most;
            while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80)
                ++begin;
            text.erase(0, begin);
        }
        ChatConfig config;
        config.temperature = 0;
        config.max_tokens = std::clamp<std::int64_t>(size / 8, 16, kMaxSummaryTokens);
        const std::vector<Turn> turns{
            {Role::system,
             "You summarise conversations. Keep names, numbers, decisions and open questions. Answer with "
             "the summary alone, in the language of the conversation."},
            {Role::user, text}};
        std::exception_ptr failure;
        try {
            std::string summary = co_await ask_engine(engine_, config, turns, kSummaryWait);
            if (!summary.empty()) {
                summary_ = std::move(summary);
                summary_until_ = exchange_.chain[first - 1].id;
                co_return;
            }
        } catch (const Error&) {
            failure = std::current_exception();
        } catch (const HttpError&) {
            failure = std::current_exception();
        }
        log::warning("a conversation could not be summarised; its beginning is left out",
                     {{"session", exchange_.session.id.str()},
                      {"error", failure ? describe(failure) : std::string("an empty summary")}});
        policy_ = ContextPolicy::drop;
    }

    std::optional<ContextUse> context(std::int64_t size, std::int64_t tokens) const {
        const std::int64_t dropped = static_cast<std::int64_t>(begin_) + exchange_.chain_missing;
        if (dropped == 0) return std::nullopt;
        ContextUse use{policy_, size, tokens, std::max(dropped, dropped_before_), {}, {}};
        use.summary = summary_;
        use.summary_until = summary_until_;
        return use;
    }

    const Engine& engine_;
    const Exchange& exchange_;
    ContextPolicy policy_;
    std::size_t begin_ = 0;  // the first message of the chain that is still told in full
    std::optional<std::string> summary_;
    std::optional<MessageId> summary_until_;
    std::int64_t dropped_before_ = 0;
};

}  // namespace

Task<FittedPrompt> fit_prompt(const Engine& engine, const Exchange& exchange, ContextPolicy default_policy) {
    Fitting fitting(engine, exchange, exchange.session.config.context_policy.value_or(default_policy));
    co_return co_await fitting.run();
}

}  // namespace llmm::chat
