"""`regional-assets adopt`: makes the present store the one of all runs."""

import click

from regional_assets.cli.command import Command, open_store
from regional_assets.store.state_folder import use_dagster_home


@click.command(cls=Command)
@click.option("--yes", is_flag=True, help="Without asking.")
def adopt(yes: bool) -> None:
    """Make the store that REDIS_URL and REGIONAL_KEY_PREFIX name the one of all runs.

    Dagster's instance keeps on record which store its runs write to, and a run that meets another
    fails. This shows both stores, asks, and puts the present one on record.
    """
    from regional_assets.defs.instance import put_on_record, store_on_record
    from regional_assets.store.identity import identified, present_store

    home = use_dagster_home()
    known = store_on_record(home)
    with open_store() as store:
        present = store.attempt(lambda: present_store(store.client, store.keys))
        click.echo(f"on record: {known or 'none'}")
        click.echo(f"present:   {present}")
        if present == known:
            return
        if not yes:
            click.confirm("Shall all runs write to the present one from now on?", abort=True)
        present = store.attempt(lambda: identified(store.client, store.keys, present))
    put_on_record(home, present)
    click.echo(f"on record now: {present}")
