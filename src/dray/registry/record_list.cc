// Lists: pages of documents, in an order, that fit conditions.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/registry/number_text.h"
#include "dray/registry/record_errors.h"
#include "dray/registry/record_kind.h"
#include "dray/registry/record_query.h"
#include "dray/registry/record_reader.h"

namespace dray {

namespace {

using sqlite::Connection;

constexpr std::size_t kLongestToken = 1024;
constexpr std::size_t kMostSteps = 1000;

/// The place after which a page begins: the last resource of the page before.
struct Cursor {
  std::int64_t id = 0, value = 0;

  static Cursor from_token(const std::string& token) {
    const auto bytes = token.size() > kLongestToken ? std::nullopt : from_base64(token);
    if (bytes) {
      const std::string_view text = as_text(*bytes);
      const auto colon = std::min(text.find(':'), text.size());
      const auto id = whole_number<std::int32_t>(text.substr(0, colon));
      const auto value = whole_number<std::int64_t>(text.substr(std::min(colon + 1, text.size())));
      if (id && value) return {*id, *value};
    }
    throw bad_request("invalid nextPageToken: invalid cursor format");
  }
  std::string token() const { return to_base64(as_bytes(fmt::format("{}:{}", id, value))); }
};

struct Order {
  std::string_view column = "r.id";
  bool down = false;
  bool by_id() const { return column == "r.id"; }
};

Order order_of(const ListQuery& query) {
  Order out{.down = query.sort_order == "DESC"};
  if (query.order_by == "CREATE_TIME") out.column = "r.created";
  if (query.order_by == "LAST_UPDATE_TIME") out.column = "r.updated";
  return out;
}

std::int32_t page_size_of(const ListQuery& query) {
  if (query.page_size.empty()) return 0;
  const auto size = whole_number<std::int32_t>(query.page_size);
  if (!size || *size < 0) throw bad_request("invalid pageSize: must be a number of 0 or more");
  return *size;
}

Kind kind_listed(Kind kind, const ListQuery& query) {
  if (kind != Kind::any_artifact || query.artifact_type.empty()) return kind;
  const auto stated = kind_of_artifact_type(query.artifact_type);
  if (!stated)
    throw bad_request(fmt::format("invalid artifact type {}", query.artifact_type.substr(0, 100)));
  return *stated;
}

SqlText step_condition(std::string_view steps) {
  SqlText out;
  out +=
      " AND EXISTS (SELECT 1 FROM property p WHERE p.owner = r.id AND p.name = 'step' AND "
      "p.custom = 0 AND p.value IN (";
  while (!steps.empty()) {
    const auto end = std::min(steps.find(','), steps.size());
    const std::string_view step = steps.substr(0, end);
    steps.remove_prefix(std::min(end + 1, steps.size()));
    if (step.find_first_not_of(' ') == std::string_view::npos) continue;
    const auto first = step.find_first_not_of(' '), last = step.find_last_not_of(' ');
    const auto number = whole_number<std::int32_t>(step.substr(first, last - first + 1));
    if (!number || out.values.size() >= kMostSteps)
      throw bad_request(
          fmt::format("invalid step ID '{}': must be a valid integer", step.substr(0, 100)));
    out += out.values.empty() ? "?" : ", ?";
    out.value(std::int64_t{*number});
  }
  out += "))";
  return out;
}

/// Of several searches the one that finds least, as far as is worth the while to count.
SqlText rarest(Connection& connection, std::vector<SqlText> searches) {
  constexpr std::int64_t kMostCounted = 100;
  SqlText out;
  std::int64_t least = 0;
  for (SqlText& search : searches) {
    std::int64_t found = 0;
    if (searches.size() > 1) {
      const auto count = connection.prepared(
          fmt::format("SELECT count(*) FROM (SELECT 1 FROM property p WHERE {} LIMIT {})",
                      search.text, kMostCounted));
      bind_all(*count, search);
      if (count->step()) found = count->integer(0);
    }
    if (!out.text.empty() && found >= least) continue;
    least = found;
    out = std::move(search);
  }
  return out;
}

/// Of a list's statement everything behind SELECT … .
class ListStatement {
 public:
  ListStatement(Connection& connection, Kind kind, std::string_view parent_id,
                const ListQuery& query)
      : order_(order_of(query)) {
    const auto filter = parse_filter(query.filter_query);
    const bool few = !parent_id.empty();
    // Found in the order of ids, so that a page ends the search.
    if (filter && !few && order_.by_id())
      lead_ = rarest(connection, leading_searches(kind, *filter));
    if (lead_.text.empty()) {
      sql_ += " FROM resource r WHERE ";
      // Keeps SQLite from the index by kind: several kinds are not in order there.
      if (!few && kind == Kind::any_artifact) sql_ += "+";
    } else {
      sql_ += " FROM property p CROSS JOIN resource r ON r.id = p.owner WHERE ";
      sql_ += lead_;
      sql_ += " AND ";
    }
    sql_ += kind_condition("r", kind);
    if (few) {
      sql_ += " AND r.parent = ?";
      sql_.value(record_id(parent_kind(kind), parent_id));
    }
    equals(" AND r.name = ?", query.name);
    equals(" AND r.external_id = ?", query.external_id);
    if (!query.step_ids.empty()) sql_ += step_condition(query.step_ids);
    // A filter of one condition is said already by the search in front.
    const bool said = !lead_.text.empty() && filter->form == Filter::Form::comparison;
    if (filter && !said) {
      sql_ += " AND ";
      sql_ += filter_condition(kind, *filter, few || !lead_.text.empty());
    }
    if (!query.next_page_token.empty()) after(Cursor::from_token(query.next_page_token));
    end(page_size_of(query));
  }

  const SqlText& sql() const { return sql_; }
  std::string_view order_column() const { return order_.column; }

 private:
  void equals(std::string_view condition, const std::string& value) {
    if (value.empty()) return;
    sql_ += condition;
    sql_.value(value);
  }

  /// With the search in front, the owner's id is what is in order.
  std::string_view id_column() const { return lead_.text.empty() ? "r.id" : "p.owner"; }

  void after(const Cursor& cursor) {
    const std::string_view sign = order_.down ? "<" : ">";
    if (order_.by_id()) {
      sql_ += fmt::format(" AND {} {} ?", id_column(), sign);
      sql_.value(cursor.id);
    } else {
      sql_ += fmt::format(" AND ({}, r.id) {} (?, ?)", order_.column, sign);
      sql_.value(cursor.value).value(cursor.id);
    }
  }

  void end(std::int32_t page_size) {
    const std::string_view way = order_.down ? " DESC" : "";
    if (order_.by_id())
      sql_ += fmt::format(" ORDER BY {}{}", id_column(), way);
    else
      sql_ += fmt::format(" ORDER BY {}{}, r.id{}", order_.column, way, way);
    if (page_size == 0) return;
    sql_ += " LIMIT ?";
    sql_.value(std::int64_t{page_size} + 1);  // one more tells whether there is a next page
  }

  const Order order_;
  SqlText lead_, sql_;
};

}  // namespace

Page list_records(Connection& connection, Kind kind, std::string_view parent_id,
                  const ListQuery& query) {
  const ListStatement statement(connection, kind_listed(kind, query), parent_id, query);
  if (kind == Kind::experiment_run && !parent_id.empty())
    get_record(connection, Kind::experiment, parent_id);
  Page page{.page_size = page_size_of(query)};
  const auto list = connection.prepared(
      fmt::format("SELECT r.document, r.id, {}{}", statement.order_column(), statement.sql().text));
  bind_all(*list, statement.sql());
  Cursor last;
  while (list->step()) {
    if (page.page_size > 0 && page.size == page.page_size) {
      page.next_page_token = last.token();
      break;
    }
    if (page.size > 0) page.items += ',';
    page.items += list->view(0);
    last = {list->integer(1), list->integer(2)};
    ++page.size;
  }
  return page;
}

}  // namespace dray
