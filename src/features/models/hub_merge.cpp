#include "features/models/hub_merge.hpp"

#include "base/net/url.hpp"

#include <charconv>

#include <fmt/format.h>

namespace llmm::models {
namespace {

constexpr std::size_t kMaxSkip = 1000;

// What the order compares; the larger goes first. What a source doesn't say goes last.
std::int64_t weight_of(const hubs::ModelSummary& model, hubs::SortOrder order) {
    switch (order) {
        case hubs::SortOrder::downloads:
            return model.downloads.value_or(-1);
        case hubs::SortOrder::likes:
            return model.likes.value_or(-1);
        case hubs::SortOrder::updated:
            return model.updated_at ? to_epoch_ms(*model.updated_at) : -1;
        case hubs::SortOrder::trending:
            break;
    }
    return 0;
}

struct Head {
    Source source{};
    const hubs::SearchPage* page;
    std::size_t at = 0;     // next row
    std::size_t taken = 0;  // on this page
};

}  // namespace

std::string encode_positions(const ListPositions& positions) {
    std::string text;
    for (const auto& [source, position] : positions) {
        text += fmt::format("{}{}:{}:{}", text.empty() ? "" : ";", name_of(source), position.skip,
                            percent_encode(position.cursor));
    }
    return text;
}

std::optional<ListPositions> decode_positions(std::string_view cursor) {
    ListPositions positions;
    for (std::size_t begin = 0; begin <= cursor.size();) {
        const std::size_t end = std::min(cursor.find(';', begin), cursor.size());
        const std::string_view item = cursor.substr(begin, end - begin);
        begin = end + 1;
        const auto first = item.find(':'), second = item.find(':', first + 1);
        if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
        const auto source = parse_source(item.substr(0, first));
        ListPosition position;
        const std::string_view digits = item.substr(first + 1, second - first - 1);
        const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), position.skip);
        const auto inner = percent_decode(item.substr(second + 1));
        if (!source || digits.empty() || error != std::errc{} || stop != digits.data() + digits.size() ||
            position.skip > kMaxSkip || !inner) {
            return std::nullopt;
        }
        position.cursor = *inner;
        if (!positions.emplace(*source, std::move(position)).second) return std::nullopt;
    }
    return positions;
}

MergedPage merge_pages(const std::map<Source, hubs::SearchPage>& pages, const ListPositions& from,
                       hubs::SortOrder order, std::size_t limit) {
    std::vector<Head> heads;
    for (const auto& [source, page] : pages) {
        const auto position = from.find(source);
        heads.push_back({source, &page, position == from.end() ? 0 : position->second.skip, 0});
    }
    MergedPage merged;
    bool blocked = false;
    while (merged.rows.size() < limit && !blocked) {
        Head* best = nullptr;
        for (Head& head : heads) {
            if (head.at >= head.page->models.size()) {
                // What its next page begins with may belong here.
                blocked |= !head.page->next_cursor.empty();
                continue;
            }
            if (!best) {
                best = &head;
                continue;
            }
            const auto left = weight_of(head.page->models[head.at], order);
            const auto right = weight_of(best->page->models[best->at], order);
            if (left > right || (left == right && head.taken < best->taken)) best = &head;
        }
        if (!best || (blocked && !merged.rows.empty())) break;
        merged.rows.push_back({best->source, &best->page->models[best->at]});
        ++best->at;
        ++best->taken;
    }
    for (const Head& head : heads) {
        const auto position = from.find(head.source);
        if (head.at < head.page->models.size()) {
            merged.next[head.source] = {position == from.end() ? std::string() : position->second.cursor, head.at};
        } else if (!head.page->next_cursor.empty()) {
            merged.next[head.source] = {head.page->next_cursor, 0};
        }
    }
    return merged;
}

}  // namespace llmm::models
