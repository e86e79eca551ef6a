import django.db.models.deletion
from django.db import migrations, models

_OF_ONE_THING = models.Q(
    models.Q(('moment__isnull', True), ('send__isnull', False)),
    models.Q(('moment__isnull', False), ('send__isnull', True)),
    _connector='OR',
)


def _field(to, name):
    return models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name=name, to=to)


class Migration(migrations.Migration):

    dependencies = [
        ('crm', '0052_reading'),
    ]

    operations = [
        migrations.AddField(
            model_name='moment',
            name='follows',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='crm.moment', verbose_name='接着哪条朋友圈'),
        ),
        migrations.RenameModel(old_name='SendCost', new_name='ReviewCost'),
        migrations.RenameModel(old_name='SendLesson', new_name='ReviewLesson'),
        migrations.AlterModelOptions(
            name='reviewcost',
            options={'ordering': ['noted_at', 'pk'], 'verbose_name': '成本', 'verbose_name_plural': '成本'},
        ),
        migrations.AlterField(model_name='reviewcost', name='send', field=_field('crm.masssend', 'costs')),
        migrations.AlterField(model_name='reviewlesson', name='send', field=_field('crm.masssend', 'lessons')),
        migrations.AddField(model_name='reviewcost', name='moment', field=_field('crm.moment', 'costs')),
        migrations.AddField(model_name='reviewlesson', name='moment', field=_field('crm.moment', 'lessons')),
        migrations.AddConstraint(
            model_name='reviewcost',
            constraint=models.CheckConstraint(condition=_OF_ONE_THING, name='cost_is_of_one_thing'),
        ),
        migrations.AddConstraint(
            model_name='reviewlesson',
            constraint=models.CheckConstraint(condition=_OF_ONE_THING, name='lesson_is_of_one_thing'),
        ),
    ]
