"""Working time (工作时间): when somebody is on shift, by roster and calendar.

The calendar of the mainland, make-up workdays (调休) included, comes as a file and may be amended
by rows; shifts are rows for an agent, a department or everybody, the nearest of which counts. What
surprises: a make-up workday works like the weekday that it stands for, and a shift past midnight
belongs to the day on which it began.
"""
