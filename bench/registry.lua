-- Requests for wrk, and its figures as one line of JSON. Arguments: operation, number of models,
-- first id, step between ids of models, a mark that is new in each run.
local operation, models, first, step, mark
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(arguments)
  operation, models = arguments[1], tonumber(arguments[2])
  first, step, mark = tonumber(arguments[3]), tonumber(arguments[4]), arguments[5]
  math.randomseed(7 + number)
  count = 0
end

local base = "/api/model_registry/v1alpha3/"

function request()
  local pick = math.random(0, models - 1)
  local name = string.format("model-%05d", pick)
  local id = first + step * pick
  if operation == "get" then
    return wrk.format("GET", base .. "registered_models/" .. id)
  elseif operation == "by name" then
    return wrk.format("GET", base .. "registered_model?name=" .. name)
  elseif operation == "list" then
    return wrk.format("GET", base .. "registered_models?pageSize=100")
  elseif operation == "filter" then
    return wrk.format("GET", base .. "registered_models?pageSize=20&filterQuery=team%3D%27team-"
                      .. (pick % 100) .. "%27%20AND%20state%3D%27LIVE%27")
  elseif operation == "versions" then
    return wrk.format("GET", base .. "registered_models/" .. id .. "/versions")
  end
  count = count + 1
  return wrk.format("POST", base .. "registered_models", {["Content-Type"] = "application/json"},
                    string.format('{"name":"new-%s-%d-%d","customProperties":{"team":{"metadataType":'
                                  .. '"MetadataStringValue","string_value":"x"}}}', mark, number,
                                  count))
end

function done(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read
              + summary.errors.write + summary.errors.timeout
  io.write(string.format('{"requests":%d,"seconds":%.3f,"p50_ms":%.3f,"p99_ms":%.3f,"bad":%d}\n',
                         summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
                         latency:percentile(99) / 1e3, bad))
end
