#include "features/usage/usage_store.hpp"

#include "storage/database.hpp"

#include <fmt/format.h>

namespace llmm::usage {

using storage::Params, storage::Row, storage::Session;

namespace {

// A statement is kept by its text, so rows go in by one of two sizes.
constexpr std::size_t kRowsAtOnce = 32;

std::string insert_text(std::size_t rows) {
    std::string text =
        "INSERT INTO usage (id, created_at, caller, model, deployment, dialect, operation, status, streamed, "
        "tokens_in, "
        "tokens_out, tokens_cached, first_token_ms, total_ms, error) VALUES ";
    for (std::size_t i = 0; i < rows; ++i)
        text += i == 0 ? "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                       : ", (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    return text + " ON CONFLICT (id) DO NOTHING";
}

void add(Params& params, const Usage& row) {
    params.insert(params.end(), {row.id, row.at, row.caller, row.model, row.deployment, row.dialect, row.operation,
                                 row.status, row.streamed ? 1 : 0, row.tokens_in, row.tokens_out, row.tokens_cached,
                                 row.first_token_ms, row.total_ms, row.error});
}

// UTC days, by arithmetic that both databases share.
std::string_view expression_of(Grouping grouping) {
    switch (grouping) {
        case Grouping::day:
            return "created_at / 86400000";
        case Grouping::model:
            return "model";
        case Grouping::caller:
            return "caller";
        case Grouping::deployment:
            return "deployment";
        case Grouping::dialect:
            return "dialect";
    }
    return "model";
}

std::string day_of(std::int64_t days) {
    return to_rfc3339(from_epoch_ms(days * 86'400'000)).substr(0, 10);
}

}  // namespace

Task<> UsageStore::insert(std::shared_ptr<const std::vector<Usage>> rows) {
    co_await database_.write([rows](Session& session) {
        static const std::string many = insert_text(kRowsAtOnce), one = insert_text(1);
        std::size_t done = 0;
        while (done < rows->size()) {
            const std::size_t count = rows->size() - done >= kRowsAtOnce ? kRowsAtOnce : 1;
            Params params;
            params.reserve(count * 15);
            for (std::size_t i = 0; i < count; ++i)
                add(params, (*rows)[done + i]);
            session.execute(count == 1 ? one : many, params);
            done += count;
        }
    });
}

Task<std::vector<UsageSum>> UsageStore::sum(UsageQuery query) {
    std::string groups;
    for (const Grouping grouping : query.group_by)
        groups += fmt::format("{}{}", groups.empty() ? "" : ", ", expression_of(grouping));
    std::string conditions;
    Params params;
    const auto where = [&](std::string_view condition, storage::Param value) {
        conditions += fmt::format("{} {}", conditions.empty() ? " WHERE" : " AND", condition);
        params.push_back(std::move(value));
    };
    if (query.from) where("created_at >= ?", *query.from);
    if (query.to) where("created_at < ?", *query.to);
    if (!query.model.empty()) where("model = ?", query.model);
    if (!query.caller.empty()) where("caller = ?", query.caller);
    if (!query.deployment.empty()) where("deployment = ?", query.deployment);
    const std::string text = fmt::format(
        "SELECT COUNT(*), SUM(CASE WHEN status >= 400 AND status <> 499 THEN 1 ELSE 0 END), SUM(CASE WHEN status = 499 "
        "THEN 1 ELSE 0 END), SUM(tokens_in), SUM(tokens_out), SUM(tokens_cached), AVG(first_token_ms), "
        "AVG(total_ms){}{} FROM usage{}{}{} LIMIT {}",
        groups.empty() ? "" : ", ", groups, conditions, groups.empty() ? "" : " GROUP BY " + groups,
        groups.empty() ? "" : " ORDER BY " + groups, kMaxGroups);
    co_return co_await database_.read([text, params, group_by = query.group_by](Session& session) {
        return session.query(
            text,
            [&](const Row& row) {
                UsageSum sum{.group = {},
                             .requests = row.int64(0),
                             .failed = row.optional_int64(1).value_or(0),
                             .cancelled = row.optional_int64(2).value_or(0),
                             .tokens_in = row.optional_int64(3).value_or(0),
                             .tokens_out = row.optional_int64(4).value_or(0),
                             .tokens_cached = row.optional_int64(5).value_or(0),
                             .mean_first_token_ms = row.optional_number(6),
                             .mean_total_ms = row.optional_number(7)};
                for (std::size_t i = 0; i < group_by.size(); ++i)
                    sum.group.push_back(group_by[i] == Grouping::day ? day_of(row.int64(8 + i)) : row.text(8 + i));
                return sum;
            },
            params);
    });
}

}  // namespace llmm::usage
