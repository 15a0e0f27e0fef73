-- Which commands the calling user may not run; none of them is run.
--
-- ARGV: 1.. commands, each a JSON list. They have to be whole: a server may crash when it looks
--       for the keys of one whose arguments are missing.
-- Reply: the positions (from 1) of those that are not allowed.

local refused = {}
for i, command in ipairs(ARGV) do
  if not redis.acl_check_cmd(unpack(cjson.decode(command))) then
    refused[#refused + 1] = i
  end
end
return refused
