-- Finds the commands that the calling user may not run; runs none of them.
--
-- ARGV: 1.. commands, each a JSON list. They have to be complete: a server may crash when it looks
--       for the keys of a command with missing arguments.
-- Reply: the positions (from 1) of those that are not allowed.

local refused = {}
for i, command in ipairs(ARGV) do
  if not redis.acl_check_cmd(unpack(cjson.decode(command))) then
    refused[#refused + 1] = i
  end
end
return refused
