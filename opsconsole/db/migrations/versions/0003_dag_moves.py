"""What moved"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('dag_moves',
    sa.Column('deployment', sa.Text(), nullable=False),
    sa.Column('dag_id', sa.Text(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('tries', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('deployment', 'dag_id', name=op.f('pk_dag_moves'))
    )


def downgrade() -> None:
    op.drop_table('dag_moves')
