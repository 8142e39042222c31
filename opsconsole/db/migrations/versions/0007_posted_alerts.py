"""Posted alerts"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A default that is an expression would have SQLite's table copied and dropped, and with it, by cascade, what refers to it.
    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('ends_at', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('times_out', sa.Boolean(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('updated_at', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('generator_url', sa.Text(), server_default='', nullable=False))



def downgrade() -> None:
    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.drop_column('generator_url')
        batch_op.drop_column('updated_at')
        batch_op.drop_column('times_out')
        batch_op.drop_column('ends_at')

