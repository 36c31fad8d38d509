#include "dray/transfer/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "dray/base/error.h"

namespace dray {

std::uint64_t segment_length(const Segment& segment) {
  if (const auto* literal = std::get_if<LiteralSegment>(&segment)) return literal->bytes->size();
  if (const auto* source = std::get_if<SourceSegment>(&segment)) return source->range.length;
  return std::get<StoredSegment>(segment).range.length;
}

std::uint64_t ObjectPlan::input_size() const {
  std::uint64_t size = 0;
  for (const auto& segment : segments) size += segment_length(segment);
  return size;
}

bool ObjectPlan::of_one_unit() const {
  return segments.size() == 1 && std::holds_alternative<SourceSegment>(segments[0]);
}

namespace {

[[noreturn]] void broken(const std::string& label, const std::string& what) {
  throw Error(Code::internal, "the plan is inconsistent: " + what).on("plan", label);
}

void check_twin(const TransferPlan& plan, std::size_t index) {
  const ObjectPlan& object = plan.objects[index];
  const bool good = *object.same_as < index && !plan.objects[*object.same_as].same_as &&
                    plan.objects[*object.same_as].rank <= object.rank &&
                    plan.objects[*object.same_as].spec.size == object.spec.size;
  if (!good) broken(object.label, "it cannot be a copy of an object that is made later");
}

void check_made(const TransferPlan& plan, const std::vector<std::size_t>& owner) {
  for (const auto& [unit, object] : plan.made) {
    const bool good = unit < plan.units.size() && object < plan.objects.size() &&
                      plan.objects[object].rank < plan.objects[owner[unit]].rank &&
                      plan.objects[object].spec.size == plan.units[unit].size;
    if (!good) broken(plan.objects.at(object).label, "it is needed before it is made");
  }
}

}  // namespace

void check_plan(const TransferPlan& plan) {
  std::vector<std::uint64_t> covered(plan.units.size(), 0);
  std::vector<std::size_t> owner(plan.units.size(), plan.objects.size());
  for (std::size_t o = 0; o < plan.objects.size(); ++o) {
    const ObjectPlan& object = plan.objects[o];
    const std::uint64_t made =
        object.transform ? object.transform->output_size() : object.input_size();
    if (made != object.spec.size)
      broken(object.label, fmt::format("{} bytes planned, {} made", object.spec.size, made));
    if (object.same_as) check_twin(plan, o);
    std::optional<std::size_t> open;  // unit that is not complete yet
    for (const auto& segment : object.segments) {
      const auto* source = std::get_if<SourceSegment>(&segment);
      if (source == nullptr) continue;
      if (source->unit >= plan.units.size()) broken(object.label, "unknown unit");
      if (covered[source->unit] != source->range.offset)
        broken(object.label, plan.units[source->unit].path + " is not read in order");
      if (owner[source->unit] != plan.objects.size() && owner[source->unit] != o)
        broken(object.label, plan.units[source->unit].path + " feeds two objects");
      if (open && *open != source->unit)
        broken(object.label, plan.units[*open].path + " is interrupted by another file");
      owner[source->unit] = o;
      covered[source->unit] = source->range.end();
      open.reset();
      if (source->range.end() < plan.units[source->unit].size) open = source->unit;
    }
  }
  for (std::size_t u = 0; u < plan.units.size(); ++u) {
    if (covered[u] != plan.units[u].size || owner[u] == plan.objects.size())
      broken(plan.units[u].path, "not read as a whole");
  }
  check_made(plan, owner);
}

std::vector<Piece> pieces_of(const ObjectPlan& object, ByteRange range) {
  std::vector<Piece> pieces;
  std::uint64_t start = 0;
  for (std::size_t s = 0; s < object.segments.size() && start < range.end(); ++s) {
    const std::uint64_t length = segment_length(object.segments[s]);
    const std::uint64_t from = std::max(start, range.offset);
    const std::uint64_t to = std::min(start + length, range.end());
    if (from < to) pieces.push_back({s, {from - start, to - from}, from});
    start += length;
  }
  return pieces;
}

}  // namespace dray
