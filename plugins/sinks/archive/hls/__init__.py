"""HLS recordings: every playlist, segment, key and map kept, and the playlists rewritten to names of their own folder.

`playlist` reads one, `plan` says what is to be fetched under which name and what the rewritten playlists are; both know
no network and no storage.
"""
