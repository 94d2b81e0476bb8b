-- Rows of a file, one after another, a body each; RATE: so many requests a second in all, else as many as it can.
local bodies, place = {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
local rate, clients = tonumber(os.getenv("RATE") or "0"), tonumber(os.getenv("CLIENTS") or "1")
local path, headers = os.getenv("ROUTE"), { ["Content-Type"] = "application/json" }
local texts = {}

function init()
  for number, body in ipairs(bodies) do texts[number] = wrk.format("POST", path, headers, body) end
end

function request()
  place = place % #texts + 1
  return texts[place]
end

if rate > 0 then
  local pause = 1000 * clients / rate
  function delay() return math.floor(2 * pause * math.random() + 0.5) end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"rate": %.1f, "requests": %d, "p50": %.4f, "p99": %.4f, "worst": %.4f, "refused": %d, "broken": %d}\n',
    summary.requests / summary.duration * 1e6, summary.requests, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, latency.max / 1000, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
