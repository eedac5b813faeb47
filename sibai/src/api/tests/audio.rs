//! Hearing a recording.

use base::RecordingId;
use recordings::catalog;

use super::house::{Answer, House, ID_1, each_house, facts, wav};
use crate::store::Scope;

const FRAMES: u16 = 1000;

async fn audio(house: &House, query: &str, headers: &[&str]) -> Answer {
    asked(house, "GET", query, headers).await
}

async fn asked(house: &House, method: &str, query: &str, headers: &[&str]) -> Answer {
    let token = house.token("huaning", &[Scope::ReadRecordings]).await;
    let token = format!("authorization: Bearer {token}");
    let headers: Vec<&str> = headers.iter().copied().chain([token.as_str()]).collect();
    house.ask(method, &format!("/v1/recordings/{ID_1}/audio{query}"), &headers, "").await
}

#[test]
fn the_whole_file_comes_with_what_a_player_needs() {
    each_house(async |house| {
        let whole = audio(house, "", &[]).await;
        assert_eq!(whole.status, 200);
        assert_eq!(whole.body, wav(FRAMES));
        assert_eq!(whole.header("content-type"), "audio/wav");
        assert_eq!(whole.header("content-length"), wav(FRAMES).len().to_string());
        assert_eq!(whole.header("accept-ranges"), "bytes");
        assert_eq!(whole.header("content-disposition"), format!("attachment; filename=\"{ID_1}.wav\""));
        assert_eq!(whole.header("etag"), format!("\"{:064x}-2\"", 1));
        assert!(whole.header("repr-digest").starts_with("sha-256=:AAAA"));
    });
}

#[test]
fn a_range_is_a_slice_of_the_whole_in_both_renditions() {
    each_house(async |house| {
        for query in ["", "?channels=1", "?channels=2"] {
            let whole = audio(house, query, &[]).await.body;
            let length = whole.len();
            for (range, first, last) in [
                ("bytes=0-0", 0, 0),
                ("bytes=100-199", 100, 199),
                ("bytes=43-46", 43, 46),
                ("bytes=1001-", 1001, length - 1),
                ("bytes=-50", length - 50, length - 1),
                ("bytes=-999999", 0, length - 1),
                ("bytes=10-999999", 10, length - 1),
            ] {
                let part = audio(house, query, &[&format!("range: {range}")]).await;
                assert_eq!(part.status, 206, "{query} {range}");
                assert_eq!(part.body, whole[first..=last], "{query} {range}");
                assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/{length}"));
                assert_eq!(part.header("content-length"), (last - first + 1).to_string());
            }
            let beyond = audio(house, query, &[&format!("range: bytes={length}-")]).await;
            assert_eq!(
                (beyond.status.as_u16(), beyond.header("content-range")),
                (416, format!("bytes */{length}").as_str())
            );
        }
    });
}

#[test]
fn several_ranges_get_the_whole() {
    each_house(async |house| {
        let answer = audio(house, "", &["range: bytes=0-1,5-6"]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, wav(FRAMES).len()));
    });
}

#[test]
fn a_broken_download_goes_on_only_in_the_same_file() {
    each_house(async |house| {
        let stereo = format!("if-range: \"{:064x}-2\"", 1);
        assert_eq!(audio(house, "", &[&stereo, "range: bytes=5-"]).await.status, 206);
        let other = audio(house, "?channels=1", &[&stereo, "range: bytes=5-"]).await;
        assert_eq!(other.status, 200, "the mixed rendition is another file");
        let weak = format!("if-range: W/\"{:064x}-2\"", 1);
        assert_eq!(audio(house, "", &[&weak, "range: bytes=5-"]).await.status, 200);
        let date = "if-range: Mon, 12 Oct 2026 02:00:00 GMT";
        assert_eq!(audio(house, "", &[date, "range: bytes=5-"]).await.status, 200);
    });
}

#[test]
fn what_is_still_the_same_is_not_sent_again() {
    each_house(async |house| {
        let tag = format!("if-none-match: \"x\", W/\"{:064x}-2\"", 1);
        let same = audio(house, "", &[&tag]).await;
        assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
        assert_eq!(audio(house, "?channels=1", &[&tag]).await.status, 200);
    });
}

#[test]
fn head_tells_the_same_without_the_bytes() {
    each_house(async |house| {
        let head = asked(house, "HEAD", "?channels=1", &["range: bytes=0-1"]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), (44 + 2 * u32::from(FRAMES)).to_string());
        assert_eq!(head.header("accept-ranges"), "bytes");
    });
}

#[test]
fn mixed_is_the_mean_of_both_sides() {
    each_house(async |house| {
        let mixed = audio(house, "?channels=1", &[]).await.body;
        assert_eq!(mixed.len(), 44 + 2 * usize::from(FRAMES));
        for (n, sample) in (0..).zip(mixed[44..].chunks(2)) {
            assert_eq!(u16::from_le_bytes([sample[0], sample[1]]), n + 1);
        }
    });
}

#[test]
fn a_long_file_comes_whole_although_it_is_read_in_pieces() {
    each_house(async |house| {
        house.recording(3, "huaning", "2026-10-12T02:00:00Z", 60_000).await;
        let token = house.token("huaning", &[Scope::ReadRecordings]).await;
        let path = "/v1/recordings/00000000-0000-0000-0000-000000000003/audio";
        assert_eq!(house.get(path, &token).await.body, wav(60_000));
    });
}

#[test]
fn other_channels_and_unknown_parameters_are_refused() {
    each_house(async |house| {
        for query in ["?channels=3", "?channels=x", "?format=mp3"] {
            assert_eq!(audio(house, query, &[]).await.status, 400, "{query}");
        }
    });
}

#[test]
fn a_recording_without_audio_says_why() {
    each_house(async |house| {
        let token = house.token("huaning", Scope::ALL).await;
        let store = &house.state.store;
        let path = "/v1/recordings/00000000-0000-0000-0000-000000000007/audio";
        let running = facts(7, "huaning", "2026-10-12T02:00:00Z");
        catalog::open(&mut store.writer().acquire().await.unwrap(), &running).await.unwrap();
        assert_eq!(house.get(path, &token).await.status, 409);
        let id = RecordingId::from_u128(7);
        catalog::absent(&mut store.writer().acquire().await.unwrap(), id, "no audio").await.unwrap();
        assert_eq!(house.get(path, &token).await.status, 404);
        // A file that somebody took away is our fault, and no stack trace of it reaches the client.
        std::fs::remove_dir_all(&house.state.recordings).unwrap();
        let lost = audio(house, "", &[]).await;
        assert_eq!(lost.status, 500);
        let folder = house.folder.path().to_string_lossy().into_owned();
        assert!(!String::from_utf8_lossy(&lost.body).contains(&folder), "no path of ours leaves the house");
    });
}
