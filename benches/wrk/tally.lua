-- Counts answers by their body, which is the id of the process that answered.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  counts = {}
end

function response(status, headers, body)
  counts[body] = (counts[body] or 0) + 1
end

function done(summary, latency, requests)
  for _, thread in ipairs(threads) do
    for body, count in pairs(thread:get("counts")) do
      print("answered " .. body .. " " .. count)
    end
  end
end
