-- What the health checks must say of objects as the operator writes them: arg[1] is the folder with the checks.

local function condition(kind, status, reason)
  return {type = kind, status = status, reason = reason, message = "because"}
end

local function object(conditions, enabled)
  return {
    metadata = {generation = 2},
    spec = {enabled = enabled},
    status = {observedGeneration = 2, conditions = conditions},
  }
end

local function outdated()
  local obj = object({condition("Ready", "True", "Streaming")})
  obj.metadata.generation = 3
  return obj
end

local cases = {
  Camera = {
    {"new", {metadata = {generation = 1}, spec = {}}, "Progressing"},
    {"without conditions", {metadata = {generation = 1}, spec = {}, status = {}}, "Progressing"},
    {"changed since", outdated(), "Progressing"},
    {"streaming", object({condition("Accepted", "True", "Accepted"), condition("Ready", "True", "Streaming")}), "Healthy"},
    {"reconnecting", object({condition("Ready", "False", "Unreachable")}), "Progressing"},
    {"off", object({condition("Ready", "False", "Disabled")}, false), "Suspended"},
    {"refused", object({condition("Accepted", "False", "Conflict"), condition("Ready", "False", "Conflict")}), "Degraded"},
    {"refused at last", object({condition("Ready", "False", "Conflict"), condition("Accepted", "False", "Conflict")}), "Degraded"},
    {"stalled", object({condition("Ready", "False", "FileMissing"), condition("Stalled", "True", "FileMissing")}), "Degraded"},
  },
  StreamHub = {
    {"new", {metadata = {generation = 1}, spec = {}}, "Progressing"},
    {"changed since", outdated(), "Progressing"},
    {"ready", object({condition("Ready", "True", "Ready")}), "Healthy"},
    {"with a camera that is off", object({condition("Ready", "False", "CamerasNotReady")}), "Progressing"},
    {"stalled", object({condition("Ready", "False", "NatsUnknown"), condition("Stalled", "True", "NatsUnknown")}), "Degraded"},
  },
}

local failed = 0
for kind, list in pairs(cases) do
  local check = assert(loadfile(arg[1] .. "/" .. kind .. ".lua"))
  for _, case in ipairs(list) do
    local name, obj, wanted = case[1], case[2], case[3]
    -- What Argo CD gives a check, and no more.
    setfenv(check, {obj = obj, ipairs = ipairs, pairs = pairs, string = string, table = table, math = math})
    local health = check()
    if health.status ~= wanted or type(health.message) ~= "string" or health.message == "" then
      io.stderr:write(kind, " that is ", name, ": ", tostring(health.status), ", not ", wanted, "\n")
      failed = failed + 1
    end
  end
end
os.exit(failed == 0 and 0 or 1)
