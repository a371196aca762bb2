-- For wrk: requests the targets that a file lists, one after the other and again from the first, so that each run asks for the
-- same. Ends with one line of JSON.
--   wrk … -s rotate.lua URL -- FILE TOKEN

local requests, at = {}, 0

function init(arguments)
  local headers = { Authorization = "Bearer " .. arguments[2] }
  for target in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", target, headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"p50":%.6f,"p99":%.6f,"not_2xx":%d,"socket_errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
