#pragma once
#include "features/models/model.hpp"
#include "integrations/hub.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// One list out of the lists of several sources, page by page.
namespace llmm::models {

// Where in a source's list a page of the merged list begins.
struct ListPosition {
    std::string cursor;    // of the source's page; empty: its first
    std::size_t skip = 0;  // rows of that page that are on earlier pages
    friend bool operator==(const ListPosition&, const ListPosition&) = default;
};
using ListPositions = std::map<Source, ListPosition>;

// A cursor of the merged list. nullopt for anything that encode_positions() didn't write.
std::string encode_positions(const ListPositions& positions);
std::optional<ListPositions> decode_positions(std::string_view cursor);

struct MergedRow {
    Source source{};
    const hubs::ModelSummary* model;  // in the page it came from
};
struct MergedPage {
    std::vector<MergedRow> rows;
    ListPositions next;  // empty: no more
};
// The first `limit` rows of the sources' pages, each source's own order kept: by count or date where the order has one,
// else (trending) by turns. Ends early where only a source's next page could tell what follows.
MergedPage merge_pages(const std::map<Source, hubs::SearchPage>& pages, const ListPositions& from,
                       hubs::SortOrder order, std::size_t limit);
// The rows point into the pages, which must outlive them.
MergedPage merge_pages(std::map<Source, hubs::SearchPage>&& pages, const ListPositions& from, hubs::SortOrder order,
                       std::size_t limit) = delete;

}  // namespace llmm::models
