-- For wrk: requests drawn at random from a file, either as fast as they are answered (RATE 0) or at a rate of so many a second
-- that does not wait for answers: at the instants of a Poisson process, each sent by the next connection that is free. Each line
-- of the file is what the request expects (sent as X-Expected), and its target; "401" is sent without the token.
-- Ends with one line of JSON.
--   wrk … -s offer.lua URL -- FILE TOKEN RATE

local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } instant; int clock_gettime(int clock, instant *now);")
local MONOTONIC, MOST_BEHIND = 1, 1000 -- ms; what a generator that was held up does not make up for
local requests, now, due, interval = {}, ffi.new("instant"), nil, nil

local function milliseconds()
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.s) * 1e3 + tonumber(now.ns) / 1e6
end

-- wrk calls it for each connection that may send again, and waits so long.
local function until_due()
  local at = milliseconds()
  due = math.max((due or at) - interval * math.log(1 - math.random()), at - MOST_BEHIND)
  return math.max(0, math.floor(due - at + 0.5))
end

function init(arguments)
  math.randomseed(1)
  for line in io.lines(arguments[1]) do
    local expected, target = line:match("(%S+) (%S+)")
    local headers = { ["X-Expected"] = expected, Authorization = expected ~= "401" and "Bearer " .. arguments[2] or nil }
    requests[#requests + 1] = wrk.format("GET", target, headers)
  end
  local rate = tonumber(arguments[3])
  if rate > 0 then
    interval, delay = 1000 / rate, until_due
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"seconds":%.6f,"socket_errors":%d}\n', summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.timeout))
end
