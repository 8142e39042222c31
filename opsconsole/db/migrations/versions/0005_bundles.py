"""Series are sealed in bundles"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('blocks',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    sa.Column('bundle', sa.BigInteger(), nullable=False),
    sa.Column('start_ms', sa.BigInteger(), nullable=False),
    sa.Column('end_ms', sa.BigInteger(), nullable=False),
    sa.Column('samples', sa.Integer(), nullable=False),
    sa.Column('fullness', sa.Integer(), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_blocks'))
    )
    op.create_index('ix_blocks_bundle_start_ms', 'blocks', ['bundle', 'start_ms'])
    op.create_index('ix_blocks_end_ms_size', 'blocks', ['end_ms', 'size'])
    op.create_index('ix_blocks_small', 'blocks', ['bundle', 'fullness'],
                    sqlite_where=sa.text('fullness < 100'), postgresql_where=sa.text('fullness < 100'))
    op.drop_index('ix_chunks_small', 'chunks')
    op.add_column('series', sa.Column('bundle', sa.BigInteger(), nullable=True))
    # Turns went by series, and go by bundle now: each is taken for as far as the one furthest behind. What is read again
    # although it was sealed has the same values.
    op.execute('delete from sealed_buckets where (select count(*) from sealed_buckets) < 30')
    op.execute('update sealed_buckets set flush = (select min(flush) from sealed_buckets)')


def downgrade() -> None:
    op.drop_column('series', 'bundle')
    op.create_index('ix_chunks_small', 'chunks', ['series_id', 'samples'],
                    sqlite_where=sa.text('samples < 480'), postgresql_where=sa.text('samples < 480'))
    op.drop_table('blocks')
