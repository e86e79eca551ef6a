"""Subject requests (个人信息请求): what a person may ask of us about their own data, end to end.

Show, export, correct, erase, stop marketing. ``holdings`` declares of every table with people in it
its purpose, how long it is kept and what erasing means there; a test fails for a table that says
nothing. What surprises: a friend cannot be erased, because WeCom would tell us of them again within
the hour; an erasure waits until nobody has the person as friend and no group has them as member.
"""
