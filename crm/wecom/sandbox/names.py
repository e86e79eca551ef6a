"""Invented names: of staff, of customers as they call themselves, of places and products."""

from .dice import Dice

SURNAMES = [
    ("李", "li"), ("王", "wang"), ("张", "zhang"), ("刘", "liu"), ("陈", "chen"), ("杨", "yang"),
    ("赵", "zhao"), ("黄", "huang"), ("周", "zhou"), ("吴", "wu"), ("徐", "xu"), ("孙", "sun"),
    ("胡", "hu"), ("朱", "zhu"), ("高", "gao"), ("林", "lin"), ("何", "he"), ("郭", "guo"),
    ("马", "ma"), ("罗", "luo"), ("欧阳", "ouyang"), ("梁", "liang"), ("宋", "song"),
    ("郑", "zheng"), ("谢", "xie"), ("韩", "han"), ("唐", "tang"), ("冯", "feng"), ("于", "yu"),
    ("董", "dong"),
]  # fmt: skip
GIVEN = [
    ("婷", "ting"), ("伟", "wei"), ("静", "jing"), ("磊", "lei"), ("敏", "min"), ("洋", "yang"),
    ("雪", "xue"), ("浩然", "haoran"), ("子涵", "zihan"), ("晓东", "xiaodong"), ("佳", "jia"),
    ("思远", "siyuan"), ("梦琪", "mengqi"), ("志强", "zhiqiang"), ("丽华", "lihua"),
    ("俊杰", "junjie"), ("雨桐", "yutong"), ("建国", "jianguo"), ("春燕", "chunyan"),
    ("明轩", "mingxuan"), ("璐", "lu"), ("鹏飞", "pengfei"), ("诗雅", "shiya"), ("国栋", "guodong"),
]  # fmt: skip

NICKS = [
    "海风", "小确幸", "云朵", "星河", "向日葵", "柠檬不酸", "走走停停", "慢慢来", "一路向南",
    "山野", "阳光妈妈", "豆豆爸", "奔跑的蜗牛", "旅行的猫", "北纬30度", "南风知我意", "晚安",
    "清欢", "木子", "阿明", "老顾客", "安静", "团团", "糖糖", "沐沐", "行者", "小鱼儿",
    "大白", "栗子", "橙子",
    "Lily", "Kevin 陈", "Mia", "Jason", "Grace_W", "Echo", "Sunny", "Tony老师", "Amy", "Leo",
    "深海的鱼", "风铃", "半糖", "江南", "布丁", "麦田", "初见", "时光", "丸子", "阿杰",
]  # fmt: skip
DECORATIONS = ["🌸", "☀️", "🐱", "✈️", "🏖️", "💕", "👨‍👩‍👧", "🍋", "🌈", "~", "。", "(忙)", "🎈"]
RARE = [
    "𠮷野家的客人",
    "龘龘",
    "㛃㛃",
    "犇犇🐂",
    "淼 淼",
    "𡿨川",
    "ㄚ頭",
    "<b>粗体</b>",
    "O'Neil",
    "=1+1",
]
CITIES = [
    "上海", "北京", "杭州", "成都", "广州", "深圳", "南京", "武汉", "西安", "重庆", "苏州", "长沙",
]  # fmt: skip
DESTINATIONS = [
    "三亚", "丽江", "厦门", "成都", "新疆", "西藏", "桂林", "张家界", "哈尔滨", "青岛",
    "泰国", "日本", "新加坡", "马尔代夫", "巴厘岛", "法国", "意大利", "新西兰",
]  # fmt: skip
THEMES = ["亲子", "蜜月", "自驾", "海岛", "徒步", "美食", "摄影", "银发", "研学", "滑雪"]
COMPANIES = ["沿海商务旅行", "和光会展", "青禾教育", "远山户外"]

TAG_GROUPS = {
    "目的地": DESTINATIONS,
    "出行偏好": ["亲子", "情侣", "自驾", "跟团", "自由行", "高端定制"],
    "年龄段": ["18-25", "26-35", "36-45", "46-60", "60+"],
    "会员等级": ["普通", "银卡", "金卡", "白金"],
    "来源": ["小红书", "抖音", "酒店订单", "机票订单", "门店", "裂变", "推文", "转介绍"],
}

DEPARTMENTS = [
    ("国内游部", "Domestic Travel", [("海岛组", "Islands"), ("山野组", "Mountains"),
                                  ("亲子组", "Families")]),
    ("出境游部", "Outbound Travel", [("东南亚组", "Southeast Asia"), ("日韩组", "Japan and Korea"),
                                  ("欧美组", "Europe and America")]),
    ("会员服务部", "Member Service", [("会员关怀组", "Member Care"), ("门店组", "Shops")]),
]  # fmt: skip


def staff(count: int) -> list[tuple[str, str]]:
    """(userid, name) of so many people, each pair once."""
    people, taken = [], set()
    for index in range(count):
        surname, spelled = SURNAMES[(index * 7 + index // 30) % len(SURNAMES)]
        given, sounds = GIVEN[(index * 5 + index // 24) % len(GIVEN)]
        userid = f"{spelled}.{sounds}"
        if userid in taken:
            userid = f"{userid}{index}"
        taken.add(userid)
        people.append((userid, surname + given))
    return people


def nickname(dice: Dice) -> str:
    """As people call themselves: plain, decorated, a real name, now and then something rare."""
    throw = dice.random()
    if throw < 0.01:
        return dice.choice(RARE)
    if throw < 0.35:
        return real_name(dice)
    name = dice.choice(NICKS)
    if throw < 0.60:
        return name + dice.choice(DECORATIONS)
    if throw < 0.75:
        return f"{name}{dice.randint(1, 99)}"
    return name


def real_name(dice: Dice) -> str:
    return dice.choice(SURNAMES)[0] + dice.choice(GIVEN)[0]


def mobile(dice: Dice) -> str:
    """In a form that validates; the 199 block keeps it away from most real ones."""
    return f"199{dice.randrange(10**8):08d}"
